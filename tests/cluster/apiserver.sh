# A kube-apiserver with its etcd on free ports of loopback, to be sourced after checks.sh. No controllers and no kubelet: what is
# admitted is stored and validated, and nobody runs it.
# shellcheck shell=bash
# shellcheck disable=SC2154  # checks.sh sets `parts`, `dir`
need kubectl openssl go python3

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
kubeconfig=$dir/kubeconfig
k() { kubectl --kubeconfig "$kubeconfig" "$@"; }

start_apiserver() {
  local port client token
  port=$(free_port) client=$(free_port) token=$(openssl rand -hex 16)
  start etcd "$parts/cluster/bin/etcd" --data-dir "$dir/etcd" --logger zap --log-level error \
    --listen-client-urls "http://127.0.0.1:$client" --advertise-client-urls "http://127.0.0.1:$client" \
    --listen-peer-urls http://127.0.0.1:0 --initial-advertise-peer-urls http://127.0.0.1:0 \
    --initial-cluster default=http://127.0.0.1:0
  openssl genrsa -out "$dir/sa.key" 2048 2>/dev/null
  echo "$token,admin,admin,system:masters" >"$dir/tokens.csv"
  start apiserver "$parts/cluster/bin/kube-apiserver" --etcd-servers "http://127.0.0.1:$client" \
    --bind-address 127.0.0.1 --advertise-address 127.0.0.1 --secure-port "$port" --cert-dir "$dir/certs" \
    --token-auth-file "$dir/tokens.csv" --authorization-mode RBAC \
    --service-cluster-ip-range 10.96.0.0/24 --service-account-issuer https://kubernetes.default.svc \
    --service-account-key-file "$dir/sa.key" --service-account-signing-key-file "$dir/sa.key" \
    --disable-admission-plugins ServiceAccount --endpoint-reconciler-type none
  cat >"$kubeconfig" <<K
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://127.0.0.1:$port", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: "$token"}}]
contexts: [{name: test, context: {cluster: test, user: admin}}]
current-context: test
K
  until_it apiserver k get --raw /readyz
}

module() { go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'; } # module PATH@VERSION: the folder it is in
# apply_crds [MODULE]: the custom resources of this module, or all that the manifests use; from the modules they are published in.
apply_crds() {
  local crds crd path file files
  eval "$(sed -n '/^crds="/,/"$/p' "$root/tests/parts/install.sh")"
  for crd in $crds; do
    case $crd in "${1:-}"*) ;; *) continue ;; esac
    path=$(module "${crd%%@*}@$(cut -d/ -f1 <<<"${crd#*@}")")/${crd#*@*/}
    if [ -d "$path" ]; then files=("$path"/*.yaml); else files=("$path"); fi
    for file in "${files[@]}"; do
      if grep -q '^kind: CustomResourceDefinition' "$file"; then k apply --server-side -f "$file" >/dev/null; fi
    done
  done
  k wait --for=condition=Established crd --all --timeout=60s >/dev/null
}
