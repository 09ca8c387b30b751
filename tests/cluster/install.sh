#!/bin/bash
# Builds a kube-apiserver from its published modules and unpacks Debian's etcd, below target/parts/cluster. Once; the build takes
# some ten minutes of one core.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
parts=${KEYWARD_PARTS:-$here/../../target/parts}/cluster
pin=$(cat "$here"/apiserver/* | cksum)
mkdir -p "$parts/bin"
for program in go kubectl openssl; do
  command -v "$program" >/dev/null || { echo "make: \`$program\` is missing" >&2; exit 1; }
done

if [ "$(cat "$parts/apiserver.pin" 2>/dev/null)" != "$pin" ] || [ ! -x "$parts/bin/kube-apiserver" ]; then
  echo "building kube-apiserver"
  rm -rf "$parts/apiserver" && cp -r "$here/apiserver" "$parts/apiserver"
  (cd "$parts/apiserver" && go mod tidy && CGO_ENABLED=0 go build -ldflags "-s -w" -o "$parts/bin/kube-apiserver" .)
  echo "$pin" >"$parts/apiserver.pin"
fi
if [ ! -x "$parts/bin/etcd" ]; then
  if command -v etcd >/dev/null; then
    ln -s "$(command -v etcd)" "$parts/bin/etcd"
  else
    echo "unpacking etcd, of Debian"
    rm -rf "$parts/etcd" && mkdir -p "$parts/etcd"
    (cd "$parts/etcd" && { apt-get download etcd-server || { apt-get update && apt-get download etcd-server; }; } && dpkg -x etcd-server_*.deb .)
    ln -s ../etcd/usr/bin/etcd "$parts/bin/etcd"
  fi
fi
