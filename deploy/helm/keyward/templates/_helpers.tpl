{{- define "keyward.fullname" -}}
{{- if eq .Release.Name .Chart.Name }}{{ .Release.Name }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "keyward.selector" -}}
app.kubernetes.io/name: keyward
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "keyward.labels" -}}
{{ include "keyward.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "keyward.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- /* Where it listens. The kubelet's gRPC probes come to the pod's address, without TLS: hence 9193, where health alone is told. */}}
{{- define "keyward.listen" -}}
{{- if eq .Values.mode "sidecar" }}
extAuthz: 127.0.0.1:9191
{{- else if .Values.tls.secretName }}
extAuthz:
  address: 0.0.0.0:9191
  tls: { certificate: tls/tls.crt, key: tls/tls.key{{ if .Values.tls.clientCa }}, clientCa: tls/ca.crt{{ end }} }
{{- else }}
extAuthz: 0.0.0.0:9191
{{- end }}
health: 0.0.0.0:9193
admin: 0.0.0.0:9902
{{- with .Values.limits }}
limits: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* What both containers have in common. */}}
{{- define "keyward.confined" -}}
image: {{ include "keyward.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.env }}
env: {{ toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities: { drop: [ALL] }
  seccompProfile: { type: RuntimeDefault }
resources:
{{- if .Values.resources }}{{ toYaml .Values.resources | nindent 2 }}
{{- else if eq .Values.mode "sidecar" }}
  requests: { cpu: 50m, memory: 32Mi }
  limits: { memory: 256Mi }
{{- else }}
  requests: { cpu: 250m, memory: 128Mi }
  limits: { memory: 512Mi }
{{- end }}
volumeMounts:
  - { name: keyward, mountPath: /etc/keyward, readOnly: true }
{{- if eq .Values.mode "sidecar" }}
  - { name: keyward-no-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true }
{{- end }}
{{- end }}

{{- /* Lists every problem of the configuration and ends with 2; the end of the list is also in `kubectl describe pod`. */}}
{{- define "keyward.validate" -}}
- name: keyward-validate
  args: [validate, --config, /etc/keyward/keyward.yaml]
  terminationMessagePolicy: FallbackToLogsOnError
  {{- include "keyward.confined" . | nindent 2 }}
{{- end }}

{{- define "keyward.serve" -}}
- name: keyward
  {{- if eq .Values.mode "sidecar" }}
  restartPolicy: Always
  {{- end }}
  args:
    - serve
    - --config=/etc/keyward/keyward.yaml
    - --log-level={{ .Values.log.level }}
    - --drain-grace={{ if eq .Values.mode "sidecar" }}0{{ else }}{{ .Values.drain.graceSeconds }}{{ end }}
    - --drain-deadline={{ .Values.drain.deadlineSeconds }}
  ports:
    {{- if eq .Values.mode "central" }}
    - { name: ext-authz, containerPort: 9191 }
    {{- end }}
    - { name: kw-health, containerPort: 9193 }
    - { name: kw-admin, containerPort: 9902 }
  startupProbe:
    grpc: { port: 9193, service: envoy.service.auth.v3.Authorization }
    periodSeconds: 1
    failureThreshold: 30
  readinessProbe:
    grpc: { port: 9193, service: envoy.service.auth.v3.Authorization }
    periodSeconds: 5
    failureThreshold: 2
  livenessProbe:
    httpGet: { path: /livez, port: 9902 }
    periodSeconds: 10
    timeoutSeconds: 2
    failureThreshold: 3
  {{- include "keyward.confined" . | nindent 2 }}
{{- end }}

{{- /* One folder, changed in one step, configuration and secrets together. */}}
{{- define "keyward.volume" -}}
- name: keyward
  projected:
    sources:
      - configMap: { name: {{ include "keyward.fullname" . }} }
      - secret:
          name: {{ .Values.secret.name }}
          items:
          {{- range .Values.secret.keys }}
            - { key: {{ . }}, path: secrets/{{ . }} }
          {{- end }}
      {{- if and .Values.tls.secretName (eq .Values.mode "central") }}
      - secret:
          name: {{ .Values.tls.secretName }}
          items:
            - { key: tls.crt, path: tls/tls.crt }
            - { key: tls.key, path: tls/tls.key }
            {{- if .Values.tls.clientCa }}
            - { key: ca.crt, path: tls/ca.crt }
            {{- end }}
      {{- end }}
{{- end }}

{{- /*
For the pods of a chart that depends on this one (`mode: sidecar`), before an Envoy that is a native sidecar:

      initContainers:
        {{- include "keyward.sidecar.initContainers" .Subcharts.keyward | nindent 8 }}
      volumes:
        {{- include "keyward.sidecar.volumes" .Subcharts.keyward | nindent 8 }}
*/}}
{{- define "keyward.sidecar.initContainers" -}}
{{- if ne .Values.mode "sidecar" }}{{ fail "keyward: set `mode: sidecar` to put it into the pods of this chart" }}{{ end }}
{{- include "keyward.validate" . }}
{{ include "keyward.serve" . }}
{{- end }}

{{- define "keyward.sidecar.volumes" -}}
{{- include "keyward.volume" . }}
- name: keyward-no-token
  emptyDir: { sizeLimit: 1Mi }
{{- end }}
