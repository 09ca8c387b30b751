#!/bin/bash
# Does deploy/ do in real Kubernetes parts what it says? Each script is a part, and runs on its own, too.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cargo build --locked --manifest-path "$here/../../Cargo.toml"
failed=0
for part in manifests istio envoy_gateway; do
  "$here/$part.sh" || failed=1
done
exit $failed
