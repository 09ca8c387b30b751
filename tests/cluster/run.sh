#!/bin/bash
# Does a real Kubernetes API server take every manifest of deploy/? Server-side dry-run, with the CRDs' CEL rules, and in
# namespaces that enforce PodSecurity `restricted`. No controllers and no kubelet: what is admitted is not run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
parts=${KEYWARD_PARTS:-$root/target/parts}
dir=$(mktemp -d)
pids=()
end() {
  # The API server first; it waits for its watches, so not for long.
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill "${pids[$i]}" 2>/dev/null || continue
    for _ in $(seq 25); do kill -0 "${pids[$i]}" 2>/dev/null || break; sleep 0.2; done
    kill -9 "${pids[$i]}" 2>/dev/null || true
  done
  rm -rf "$dir"
}
trap end EXIT

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
port=$(free_port) client=$(free_port)
"$parts/cluster/bin/etcd" --data-dir "$dir/etcd" --logger zap --log-level error \
  --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
  --listen-peer-urls http://127.0.0.1:0 --initial-advertise-peer-urls http://127.0.0.1:0 \
  --initial-cluster default=http://127.0.0.1:0 >"$dir/etcd.log" 2>&1 &
pids+=($!)
openssl genrsa -out "$dir/sa.key" 2048 2>/dev/null
token=$(openssl rand -hex 16)
echo "$token,admin,admin,system:masters" >"$dir/tokens.csv"
"$parts/cluster/bin/kube-apiserver" --etcd-servers "http://127.0.0.1:$client" --bind-address 127.0.0.1 --advertise-address 127.0.0.1 \
  --secure-port "$port" --cert-dir "$dir/certs" --token-auth-file "$dir/tokens.csv" --authorization-mode RBAC \
  --service-cluster-ip-range 10.96.0.0/24 --service-account-issuer https://kubernetes.default.svc \
  --service-account-key-file "$dir/sa.key" --service-account-signing-key-file "$dir/sa.key" \
  --disable-admission-plugins ServiceAccount --endpoint-reconciler-type none >"$dir/apiserver.log" 2>&1 &
pids+=($!)
cat >"$dir/kubeconfig" <<K
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://127.0.0.1:$port", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: "$token"}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
current-context: test
K
k() { kubectl --kubeconfig "$dir/kubeconfig" "$@"; }
for n in $(seq 240); do
  k get --raw /readyz >/dev/null 2>&1 && break
  [ "$n" -lt 240 ] || { tail -5 "$dir/apiserver.log" >&2; exit 1; }
  sleep 0.5
done

# The custom resources that the manifests use, from the modules they are published in.
module() { go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'; }
eval "$(sed -n '/^crds="/,/"$/p' "$root/tests/parts/install.sh")"
for crd in $crds; do
  path=$(module "${crd%%@*}@$(cut -d/ -f1 <<<"${crd#*@}")")/${crd#*@*/}
  if [ -d "$path" ]; then files=("$path"/*.yaml); else files=("$path"); fi
  for file in "${files[@]}"; do
    if grep -q '^kind: CustomResourceDefinition' "$file"; then k apply --server-side -f "$file" >/dev/null; fi
  done
done
k wait --for=condition=Established crd --all --timeout=60s >/dev/null

for namespace in keyward istio-system restricted; do k create namespace "$namespace" >/dev/null; done
# `warn`, for pods of a Deployment are refused only when they are made, and nobody makes any here.
k label namespace default keyward restricted pod-security.kubernetes.io/enforce=restricted \
  pod-security.kubernetes.io/warn=restricted >/dev/null

failed=0
# takes NAME FILE [NAMESPACE]: the server takes it and has no warning.
takes() {
  if said=$(k apply --server-side --dry-run=server ${3:+-n "$3"} -f "$2" 2>&1) && ! grep -qi '^warning' <<<"$said"; then
    echo "taken    $1"
  else
    echo "REFUSED  $1"; sed 's/^/         /' <<<"$said"; failed=1
  fi
}
# refuses NAME FILE NAMESPACE: the same has to notice what is wrong.
refuses() {
  if said=$(k apply --server-side --dry-run=server -n "$3" -f "$2" 2>&1) && ! grep -qi '^warning' <<<"$said"; then
    echo "TAKEN    $1, which is wrong"; failed=1
  else
    echo "refused  $1"
  fi
}

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

# And what is wrong is noticed.
sed 's/allowPrivilegeEscalation: false/allowPrivilegeEscalation: true/' "$dir/central.yaml" >"$dir/wrong.yaml"
refuses "a container that may escalate" "$dir/wrong.yaml" restricted
sed 's/action: CUSTOM/action: ASK/' "$root/deploy/istio/sidecar-tcp.yaml" >"$dir/wrong.yaml"
refuses "an action that Istio does not know" "$dir/wrong.yaml" default
exit $failed
