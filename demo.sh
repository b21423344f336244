#!/usr/bin/env bash
# Ouro in a minute: builds it, lets it record a web shop under load, and asks the trace what happened.
#
#   ./demo.sh [SECONDS]     seconds of load, 5 unless told
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-5}

say() { printf '\n\033[1m# %s\033[0m\n' "$*"; }
run() {  # shows a command, then runs it
  printf '\033[1m$ %s\033[0m\n' "$*"
  "$@"
}

say "Build: the packages that are missing, then Ouro and the shop of examples/shop"
tools/install-deps
cmake --preset release >/dev/null
cmake --build build/release -j"$(nproc)" --target ouro shop
PATH=$PWD/build/release:$PWD/build/release/examples/shop:$PATH

folder=$(mktemp -d "${TMPDIR:-/tmp}/ouro-demo-XXXXXX")
recorder=
cleanup() {
  [[ -z $recorder ]] || kill "$recorder" 2>/dev/null || true
  rm -rf "$folder"
}
trap cleanup EXIT
trace=$folder/trace

say "What is this machine like?"
run ouro doctor || true

say "Record the shop: 'ouro record' starts it, as you would start it yourself"
echo "\$ ouro record -o $trace -- shop --threads 8"
ouro record -o "$trace" -- shop --threads 8 >"$folder/shop.out" 2>"$folder/record.err" &
recorder=$!
for _ in $(seq 100); do
  grep -q listening "$folder/shop.out" && break
  kill -0 "$recorder" 2>/dev/null || break
  sleep 0.1
done
url=$(grep -o 'http://[0-9.:]*' "$folder/shop.out") || {
  echo "demo.sh: error: the shop did not start:" >&2
  cat "$folder/record.err" >&2
  exit 1
}
cat "$folder/shop.out"

say "Its events, seen from outside while it runs"
run ouro list | head -n 25 || true

say "Customers: $seconds seconds of them, over 12 connections for 8 threads, so that some must queue"
run wrk --threads 1 --connections 12 --duration "${seconds}s" --latency --script examples/shop/load.lua "$url/"

say "Close the shop: SIGTERM reaches it through ouro, which writes the trace and says what was lost"
kill -TERM "$recorder"
status=0
wait "$recorder" || status=$?
recorder=
cat "$folder/record.err"
[[ $status == 0 ]] || { echo "demo.sh: error: ouro record ended with $status" >&2; exit 1; }

say "Where did the time go? Spans with their percentiles, counters, losses"
run ouro stats "$trace"

say "The first lines of it: a request, and inside it its queries"
run ouro print --relative "$trace" 2>/dev/null | head -n 20 || true

say "The trace is plain CTF: babeltrace2, which knows nothing of Ouro, counts the same, and ouro_state's few events"
run babeltrace2 "$trace" --component=sink.utils.counter --params=step=+0,hide-zero=yes

say "That was all. Next: README.md, 'ouro --help', and examples/shop/main.cpp for what the shop's author wrote"
