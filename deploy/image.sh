#!/bin/bash
# Builds what the image holds into FOLDER/image: `image.sh FOLDER`. A static program for this machine's architecture, with the
# list of its dependencies in it (cargo-auditable, if it is there), without `keyward dev`; and the system's authorities.
set -euo pipefail
cd "$(dirname "$0")/.."
image=$1/image
target=$(uname -m)-unknown-linux-musl
command -v musl-gcc >/dev/null || { echo "image: \`musl-gcc\` is missing: it builds the parts in C (Debian: musl-tools)" >&2; exit 1; }
roots=/etc/ssl/certs/ca-certificates.crt
[ -s "$roots" ] || { echo "image: $roots is missing: install the authorities (Debian: ca-certificates)" >&2; exit 1; }
rustup target add "$target"
build=(cargo build)
if cargo auditable --version >/dev/null 2>&1; then build=(cargo auditable build); else
  echo "image: without cargo-auditable, the program does not hold the list of its dependencies" >&2
fi
export "CC_${target//-/_}=musl-gcc" KEYWARD_COMMIT="${COMMIT:-unknown}"
"${build[@]}" --release --locked --no-default-features --target "$target"
rm -rf "$image"
install -D -m 0755 "${CARGO_TARGET_DIR:-target}/$target/release/keyward" "$image/keyward"
install -D -m 0644 "$roots" "$image/etc/ssl/certs/ca-certificates.crt"
