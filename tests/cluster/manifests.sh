#!/bin/bash
# Does a real Kubernetes API server take every manifest of deploy/? Server-side dry-run, with the CRDs' CEL rules, and in
# namespaces that enforce PodSecurity `restricted`.
set -euo pipefail
source "$(dirname "$0")/checks.sh"
source "$here/apiserver.sh"
start_apiserver
apply_crds
for namespace in keyward istio-system restricted; do k create namespace "$namespace" >/dev/null; done
# `warn`, for pods of a Deployment are refused only when they are made, and nobody makes any here.
k label namespace default keyward restricted pod-security.kubernetes.io/enforce=restricted \
  pod-security.kubernetes.io/warn=restricted >/dev/null

# dry_run FILE [NAMESPACE]: whether the server takes it and has no warning; what it said is in $said.
dry_run() {
  said=$(k apply --server-side --dry-run=server ${2:+-n "$2"} -f "$1" 2>&1) && ! grep -qi '^warning' <<<"$said"
}
takes() { if dry_run "${@:2}"; then ok "$1"; else wrong "$1" "$said"; fi; }                   # takes NAME FILE [NAMESPACE]
refuses() { if dry_run "${@:2}"; then wrong "$1 is refused" "$said"; else ok "$1 is refused"; fi; } # and notices what is wrong

# `meshconfig.yaml`, `prometheus.yaml` and the rules are other programs' files; `pod/` is part of the overlay below.
for file in "$root"/deploy/istio/*.yaml "$root"/deploy/envoy-gateway/*.yaml "$root/deploy/prometheus/prometheusrule.yaml"; do
  [ "$(basename "$file")" = meshconfig.yaml ] || takes "${file#"$root/"}" "$file"
done
for overlay in "$root"/deploy/kubernetes/overlays/*/; do
  name=$(basename "$overlay")
  "$parts/bin/kustomize" build "$overlay" >"$dir/$name.yaml"
  takes "deploy/kubernetes/overlays/$name (restricted)" "$dir/$name.yaml" restricted
done
cp -r "$root/deploy" "$dir/deploy" && mkdir "$dir/meshed"
printf 'resources: [../deploy/kubernetes/overlays/sidecar]\ncomponents: [../deploy/istio/pod]\n' >"$dir/meshed/kustomization.yaml"
"$parts/bin/kustomize" build "$dir/meshed" >"$dir/meshed.yaml"
takes "deploy/istio/pod over the sidecar overlay (restricted)" "$dir/meshed.yaml" restricted
for values in "$root"/deploy/helm/keyward/ci/*-values.yaml; do
  name=$(basename "$values" -values.yaml)
  "$parts/bin/helm" template keyward "$root/deploy/helm/keyward" -f "$values" --api-versions monitoring.coreos.com/v1 \
    --namespace restricted >"$dir/helm-$name.yaml"
  takes "deploy/helm/keyward, $name (restricted)" "$dir/helm-$name.yaml" restricted
done

sed 's/allowPrivilegeEscalation: false/allowPrivilegeEscalation: true/' "$dir/central.yaml" >"$dir/wrong.yaml"
refuses "a container that may escalate" "$dir/wrong.yaml" restricted
sed 's/action: CUSTOM/action: ASK/' "$root/deploy/istio/sidecar-tcp.yaml" >"$dir/wrong.yaml"
refuses "an action that Istio does not know" "$dir/wrong.yaml" default
count manifests
