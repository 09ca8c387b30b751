# What the scripts of this folder have in common, to be sourced: processes that end with the script, and checks that are counted.
# shellcheck shell=bash
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
parts=${KEYWARD_PARTS:-$root/target/parts}

dir=$(mktemp -d)
pids=()
declare -A process
passed=0 failed=0
# The last that was started ends first. An API server waits for its watches, so not for long.
end() {
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do stop "${pids[$i]}"; done
  rm -rf "$dir"
}
trap end EXIT

need() { # need PROGRAM…: every one is there.
  local program
  for program; do
    command -v "$program" >/dev/null || { echo "make: \`$program\` is missing" >&2; exit 1; }
  done
}
start() { # start NAME COMMAND…: runs beside the script until it ends; the log is NAME.log, the process ${process[NAME]}.
  local name=$1; shift
  "$@" >"$dir/$name.log" 2>&1 </dev/null &
  pids+=($!) process[$name]=$!
}
stop() { # stop PROCESS, for good after five seconds.
  kill "$1" 2>/dev/null || return 0
  for _ in $(seq 25); do kill -0 "$1" 2>/dev/null || break; sleep 0.2; done
  kill -9 "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}
until_it() { # until_it NAME COMMAND…: waits for the command to succeed, a minute, while NAME runs.
  local name=$1 n; shift
  for ((n = 0; n < 240; n++)); do
    "$@" >/dev/null 2>&1 && return
    kill -0 "${process[$name]}" 2>/dev/null || break
    sleep 0.25
  done
  echo "in vain: $*; the end of $name's log:" >&2
  tail -n 20 "$dir/$name.log" >&2
  exit 1
}

ok() { echo "ok $1"; passed=$((passed + 1)); }
wrong() { echo "FAILED $1"; sed 's/^/       /' <<<"$2"; failed=$((failed + 1)); }
is() { # is NAME WANTED GOT
  if [ "$2" = "$3" ]; then ok "$1"; else wrong "$1" "wanted \`$2\`, got \`$3\`"; fi
}
count() { # The last line of a script.
  echo "$1: $passed ok, $failed failed"
  [ "$failed" -eq 0 ]
}
