#!/bin/bash
# Puts the parts of `make test-cluster` below target/parts/cluster, once: a kube-apiserver, Istio's control plane and Envoy
# Gateway, built from their published modules (each takes some ten minutes of one core), and Debian's etcd.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
parts=${KEYWARD_PARTS:-$here/../../target/parts}/cluster
pilot=istio.io/istio/pilot/cmd/pilot-discovery@v0.0.0-20260827124520-eed52ebb66ad   # the line 1.31
envoy_gateway=github.com/envoyproxy/gateway/cmd/envoy-gateway@v1.9.1
mkdir -p "$parts/bin"
parts=$(cd "$parts" && pwd)
for program in go kubectl openssl curl jq ip unshare; do
  command -v "$program" >/dev/null || { echo "make: \`$program\` is missing" >&2; exit 1; }
done

part() { # part PROGRAM PIN COMMAND…: again only when the pin changes.
  local program=$1 pin=$2; shift 2
  [ "$(cat "$parts/$program.pin" 2>/dev/null)" = "$pin" ] && [ -x "$parts/bin/$program" ] && return
  echo "installing $program"
  ("$@") >"$parts/$program.log" 2>&1 </dev/null || {
    echo "make: installing $program failed; the end of $parts/$program.log:" >&2; tail -n 20 "$parts/$program.log" >&2; exit 1; }
  echo "$pin" >"$parts/$program.pin"
}
apiserver() {
  rm -rf "$parts/apiserver" && cp -r "$here/apiserver" "$parts/apiserver" &&
    cd "$parts/apiserver" && go mod tidy &&
    CGO_ENABLED=0 nice go build -ldflags "-s -w" -o "$parts/bin/kube-apiserver" .
}
tool() { CGO_ENABLED=0 GOBIN="$parts/bin" nice go install -ldflags "-s -w" "$1"; }
etcd_of_debian() {
  local found
  if found=$(command -v etcd); then ln -sf "$found" "$parts/bin/etcd"; return; fi
  rm -rf "$parts/etcd" && mkdir -p "$parts/etcd" && cd "$parts/etcd" &&
    { apt-get download etcd-server || { apt-get update && apt-get download etcd-server; }; } &&
    dpkg -x etcd-server_*.deb . && ln -sf ../etcd/usr/bin/etcd "$parts/bin/etcd"
}

part kube-apiserver "$(cat "$here"/apiserver/* | cksum)" apiserver
part pilot-discovery "$pilot" tool "$pilot"
part envoy-gateway "$envoy_gateway" tool "$envoy_gateway"
part etcd "etcd, of Debian" etcd_of_debian
