# An authorization server and an upstream (`keyward dev` has both), `keyward serve` with a file of deploy/, and what a client has
# to see in front of them; to be sourced after checks.sh, by scripts that are alone.
# shellcheck shell=bash
# shellcheck disable=SC2154  # checks.sh sets `dir`, `root`, `here`
need curl ip jq unshare

# alone: runs this script again in namespaces of its own for network, mounts and processes. Every port of 127.0.0.1 is free
# there, /run is empty, nothing is reached from outside, and whatever is started or written ends with the script, even a killed one.
alone() {
  rm -rf "$dir"
  if [ -z "${KEYWARD_ALONE:-}" ]; then
    unshare --map-root-user --net --mount --pid --fork true || {
      echo "make: \`unshare\` may not make namespaces here: run it where user namespaces are allowed, or as root" >&2; exit 1; }
    KEYWARD_ALONE=1 exec unshare --map-root-user --net --mount --pid --fork --kill-child --mount-proc "$0"
  fi
  ip link set lo up
  mount -t tmpfs tmpfs /run
  dir=/run/test && mkdir "$dir"
}

authorization_server=http://127.0.0.1:9400
upstream_port=9480
keyward=$root/target/debug/keyward
# start_shop: the authorization server and the upstream, and tokens of a clerk and of one who may nothing.
start_shop() {
  start shop "$keyward" dev --no-envoy --ext-authz-port 9491 --admin-port 9492 --authorization-server-port 9400 \
    --upstream-port "$upstream_port"
  until_it shop curl -sf "$authorization_server/"
  clerk=$(curl -sf "$authorization_server/mint.txt?sub=alice&roles=clerk&aud=orders-api")
  guest=$(curl -sf "$authorization_server/mint.txt?sub=gustav&roles=guest&aud=orders-api")
}

# serve_keyward FILE [SED…]: `keyward serve` with a file of deploy/kubernetes and the authorization server of the test.
serve_keyward() {
  local file=$1; shift
  mkdir -p "$dir/serve/secrets" && printf dev-secret >"$dir/serve/secrets/client-secret"
  sed -e "s|https://as.example/oauth2/introspect|$authorization_server/introspect|; s|https://as.example|$authorization_server|" \
    -e 's/mesh-rs/keyward-dev/; s/2 seconds/9 seconds/' "$@" "$root/deploy/kubernetes/$file" >"$dir/serve/keyward.yaml"
  start keyward "$keyward" serve --config "$dir/serve/keyward.yaml"
  until_it keyward curl -sf http://127.0.0.1:9902/readyz
}

# ask PATH [CURL…]: one request to $front; the status is in $status, what the upstream echoed in $body.
ask() {
  local path=$1; shift
  status=$(curl -s -m 30 --path-as-is -o "$dir/body" -w '%{http_code}' "$@" "$front$path") || true
  body=$(cat "$dir/body" 2>/dev/null || true); rm -f "$dir/body"
}
as() { echo "authorization: Bearer $1"; }
saw() { jq -c ".headers.\"$1\"" <<<"$body" 2>/dev/null || echo "no echo: $body"; } # saw HEADER: what the upstream got
forged=(-H 'x-auth-id: forged' -H 'x-auth-roles: forged' -H 'x_auth_id: forged' -H 'x-auth_id: forged' -H 'x.auth.roles: forged')

genuine() { # genuine NAME: the upstream got nothing of $forged.
  case $body in
    *forged*) wrong "$1: nothing forged comes through" "$body" ;;
    *) ok "$1: nothing forged comes through" ;;
  esac
}
# decides NAME: what a client and the upstream see when Keyward is asked by what listens at $front.
decides() {
  ask /orders/7 -H "$(as "$clerk")" "${forged[@]}"
  is "$1: a clerk passes" 200 "$status"
  is "$1: the upstream is told who" '"alice"' "$(saw x-auth-id)"
  is "$1: the upstream is told as what" '"clerk"' "$(saw x-auth-roles)"
  genuine "$1"
  ask /orders/7
  is "$1: without a token" 401 "$status"
  ask /orders/7 -H "$(as made-up)"
  is "$1: with a token that nobody issued" 401 "$status"
  ask /orders/7 -H "$(as "$guest")"
  is "$1: one who may not" 403 "$status"
  ask /invoices/7 -H "$(as "$clerk")"
  is "$1: what no rule names" 403 "$status"
}
# closes NAME: nothing passes when Keyward is gone.
closes() {
  stop "${process[keyward]}"
  ask /orders/7 -H "$(as "$clerk")"
  is "$1: closed without Keyward" 503 "$status"
  is "$1: and the upstream was not asked" "" "$(jq -r .path <<<"$body" 2>/dev/null || true)"
}
