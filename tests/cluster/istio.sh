#!/bin/bash
# Do the files of deploy/istio, handed by a real Istio control plane to a real Envoy, make it ask Keyward? As a sidecar over
# loopback and over a Unix socket, as the ingress gateway, and by the EnvoyFilter alone; open to whom Keyward allows, closed when
# it is gone. What the test changes: timeouts, for a busy machine, and where the authorization server is.
set -euo pipefail
source "$(dirname "$0")/checks.sh"
source "$here/shop.sh"
alone
source "$here/apiserver.sh"
ip address add 192.0.2.7/32 dev lo
deploy=$root/deploy/istio
slow() { sed 's/timeout: 0\.5s/timeout: 10s/' "$@"; }

start_apiserver
apply_crds istio.io/
for namespace in keyward istio-system; do k create namespace "$namespace" >/dev/null; done
"$parts/bin/kustomize" build "$root/deploy/kubernetes/overlays/central" >"$dir/central.yaml"
k -n keyward create --dry-run=client -o json -f "$dir/central.yaml" | jq 'select(.kind == "Service")' |
  k apply --server-side -f - >/dev/null
k apply --server-side -f "$here/istio/workloads.yaml" -f "$deploy/gateway.yaml" -f "$deploy/sidecar-tcp.yaml" >/dev/null

cat "$here/istio/mesh.yaml" <(slow "$deploy/meshconfig.yaml") >"$dir/mesh.yaml"
start istiod env PILOT_CERT_PROVIDER=none ENABLE_CA_SERVER=false PILOT_ENABLE_METADATA_EXCHANGE=false \
  PILOT_ENABLE_ALPN_FILTER=false POD_NAMESPACE=istio-system POD_NAME=istiod-0 \
  "$parts/cluster/bin/pilot-discovery" discovery --kubeconfig "$kubeconfig" --meshConfig "$dir/mesh.yaml" -n istio-system \
  --grpcAddr 127.0.0.1:15010 --secureGRPCAddr "" --httpsAddr "" --httpAddr 127.0.0.1:15017 \
  --monitoringAddr 127.0.0.1:15014 --ctrlz_port 0
until_it istiod curl -sf http://127.0.0.1:15017/ready

# proxy NAME TYPE NAMESPACE LABEL ADMIN PORT: an Envoy of the mesh, until it listens.
proxy() {
  sed "s|@NAME@|$1|g; s|@TYPE@|$2|; s|@NAMESPACE@|$3|g; s|@LABEL@|$4|; s|@ADMIN@|$5|" "$here/istio/proxy.yaml" >"$dir/$1.yaml"
  start "$1" "$parts/envoy/bin/envoy" -c "$dir/$1.yaml" --base-id "$5" --concurrency 1 -l warning
  until_it "$1" curl -s "http://127.0.0.1:$6/"
}
# gets ADMIN TEXT: waits until istiod has given this Envoy's listeners this.
has() { curl -s "http://127.0.0.1:$1/config_dump?resource=dynamic_listeners" | grep -qF "$2"; }
gets() { until_it istiod has "$@"; }
# bypasses NAME: the public path asks nobody, and still nothing forged comes through.
bypasses() {
  ask /healthz "${forged[@]}"
  is "$1: a public path asks nobody" 200 "$status"
  genuine "$1, a public path"
}

start_shop
proxy sidecar sidecar default "keyward: sidecar" 9001 8001
front=http://127.0.0.1:8001
serve_keyward base/keyward.yaml
decides "sidecar over TCP"
closes "sidecar over TCP"

k apply --server-side -f "$deploy/sidecar-socket.yaml" -f "$deploy/identity-headers.yaml" >/dev/null
gets 9001 keyward-socket.internal
gets 9001 header_mutation
mkdir /run/keyward
serve_keyward base/keyward.yaml -e 's|extAuthz: 127.0.0.1:9191|extAuthz: unix:/run/keyward/ext_authz.sock|'
decides "sidecar over a Unix socket"
bypasses "sidecar over a Unix socket"
slow "$deploy/envoyfilter.yaml" | k apply --server-side -f - >/dev/null
gets 9001 encode_raw_headers
decides "sidecar with more by EnvoyFilter"
closes "sidecar over a Unix socket"

serve_keyward overlays/central/keyward.yaml
proxy envoyfilter sidecar default "keyward: envoyfilter" 9002 8002
front=http://127.0.0.1:8002
decides "EnvoyFilter alone"
proxy gateway router istio-system "istio: ingressgateway" 9003 8003
front=http://127.0.0.1:8003
decides "ingress gateway"
bypasses "ingress gateway"
closes "ingress gateway"
front=http://127.0.0.1:8002
closes "EnvoyFilter alone"
count istio
