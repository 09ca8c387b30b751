#!/bin/bash
# Runs every test and says at the end how many there were. Fails if one failed, if none ran, or if something did not build.
set -uo pipefail
cd "$(dirname "$0")/../.."
log=$(mktemp); trap 'rm -f "$log"' EXIT
cargo test --locked --no-fail-fast "$@" 2>&1 </dev/null | tee "$log"
status=${PIPESTATUS[0]}
read -r passed failed < <(awk '/^test result: / { for (i = 1; i < NF; i++) { if ($(i+1) == "passed;") p += $i; if ($(i+1) == "failed;") f += $i } }
  END { print p + 0, f + 0 }' "$log")
echo
echo "$passed passed, $failed failed"
if [ "$passed" -eq 0 ]; then echo "no test ran" >&2; exit 1; fi
[ "$status" -eq 0 ] && [ "$failed" -eq 0 ]
