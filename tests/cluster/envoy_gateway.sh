#!/bin/bash
# Does deploy/envoy-gateway/securitypolicy.yaml, served by a real Envoy Gateway without Kubernetes, make its Envoy ask Keyward? Open
# to whom Keyward allows, closed when it is gone. What the test changes: the timeout, for a busy machine; Keyward is a `Backend`
# of the policy's namespace, for without Kubernetes there are no Services, and policies name nothing of other namespaces; and where
# the authorization server is.
set -euo pipefail
source "$(dirname "$0")/checks.sh"
source "$here/shop.sh"
alone
front=http://127.0.0.1:8004

start_shop
serve_keyward overlays/central/keyward.yaml

version=$("$parts/envoy/bin/envoy" --version | grep -o '[0-9]*\.[0-9]*\.[0-9]*' | head -n 1)
mkdir -p "$dir"/{resources,run} "$dir/data/envoy-versions/$version/bin"
ln -s "$parts/envoy/bin/envoy" "$dir/data/envoy-versions/$version/bin/envoy"    # a version that is there is not downloaded
cp "$here/envoy-gateway/gateway.yaml" "$dir/resources/"
sed -e 's/timeout: 500ms/timeout: 10s/' \
  -e 's/{ name: keyward, namespace: keyward, port: 9191 }/{ group: gateway.envoyproxy.io, kind: Backend, name: keyward }/' \
  "$root/deploy/envoy-gateway/securitypolicy.yaml" >"$dir/resources/securitypolicy.yaml"
sed "s|@DIR@|$dir|g" "$here/envoy-gateway/envoy-gateway.yaml" >"$dir/envoy-gateway.yaml"
envoy_gateway=$parts/cluster/bin/envoy-gateway
"$envoy_gateway" certgen --local --config-home "$dir/config" >"$dir/certgen.log" 2>&1
start envoy-gateway env ENVOY_VERSION="$version" "$envoy_gateway" server --config-path "$dir/envoy-gateway.yaml"
until_it envoy-gateway curl -s "$front/"

decides "SecurityPolicy"
ask /healthz "${forged[@]}"
is "a route without a policy asks nobody" 200 "$status"
genuine "a route without a policy"
closes "SecurityPolicy"
count "envoy gateway"
