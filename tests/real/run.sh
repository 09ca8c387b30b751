#!/bin/bash
# Starts a real Keycloak and a real OpenAM on loopback and runs the tests of `tests/it/real.rs` against them.
# usage: tests/real/run.sh            needs Java 17, Maven, curl, unzip and what `make test` needs; 2 GB of memory, about five minutes
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
for program in java jar mvn curl unzip python3; do
  command -v "$program" >/dev/null || { echo "make: \`$program\` is missing: the real authorization servers need Java 17 (a JDK), Maven, curl and unzip" >&2; exit 1; }
done
home=$(mktemp -d)
stop() {
  local pid
  for server in keycloak openam; do
    pid=$(cat "$home/$server/pid" 2>/dev/null) || continue
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 60); do kill -0 "$pid" 2>/dev/null || break; sleep 0.5; done
  done
  rm -rf "$home"
}
trap stop EXIT
# A run of six ports that nobody listens on.
ports() { python3 - "$1" <<'P'
import socket, sys
def free(port):
    with socket.socket() as s:
        try: s.bind(('127.0.0.1', port)); return True
        except OSError: return False
start = int(sys.argv[1])
print(next(p for p in range(start, start + 5000, 10) if all(free(p + i) for i in range(6))))
P
}
keycloak=$(ports 18200)
openam=$(ports 24200)
# The value of `name=value` in the line with which a server says that it is ready.
value() { grep -a ready "$2" | grep -ao "$1=[^ ]*" | head -1 | cut -d= -f2-; }

echo "starting Keycloak and OpenAM (a minute or two each)"
"$here/start-keycloak.sh" "$home/keycloak" "$keycloak" >"$home/keycloak.out" 2>&1 &
first=$!
"$here/start-openam.sh" "$home/openam" "$openam" >"$home/openam.out" 2>&1 &
second=$!
wait $first || { cat "$home/keycloak.out" >&2; exit 1; }
wait $second || { cat "$home/openam.out" >&2; exit 1; }
url=$(value url "$home/openam.out")
python3 "$here/openam-setup.py" "$url" "$(value password "$home/openam.out")"
KEYWARD_KEYCLOAK="http://127.0.0.1:$keycloak" KEYWARD_KEYCLOAK_PASSWORD=$(value password "$home/keycloak.out") \
  KEYWARD_OPENAM=$url tests/parts/test.sh --test it real:: -- --ignored
