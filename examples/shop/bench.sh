#!/usr/bin/env bash
# What tracing costs a service: requests per second and 99th percentile of the shop in three states.
#
#   compiled out    built with OURO_OFF: the macros expand to nothing
#   not recorded    linked with ouro::trace, nobody listens
#   recorded        under `ouro record`, every event on, to disk; its loss is printed
#
#   examples/shop/bench.sh [--build DIR] [--rounds N] [--seconds N] [--threads N] [--connections N]
#
# The states take turns, N rounds of them, the first round being a warm-up; the table shows medians and, for the
# requests per second, the lowest and highest round.
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
build=$source/build/release
rounds=5 seconds=5 threads=4 connections=4

while (($#)); do
  case $1 in
    --build | --rounds | --seconds | --threads | --connections)
      (($# > 1)) || { echo "bench.sh: error: $1 has no value" >&2; exit 2; }
      printf -v "${1#--}" '%s' "$2"
      shift 2 ;;
    --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit ;;
    *) echo "bench.sh: error: argument is '$1' (hint: --help)" >&2; exit 2 ;;
  esac
done
shop=$build/examples/shop
for program in "$build/ouro" "$shop/shop" "$shop/shop_off"; do
  [[ -x $program ]] || {
    echo "bench.sh: error: $program is missing (hint: cmake --preset release && cmake --build --preset release)" >&2
    exit 1
  }
done

folder=$(mktemp -d)
running=
trap '[[ -z $running ]] || kill "$running" 2>/dev/null || true; rm -rf "$folder"' EXIT

# measure STATE COMMAND...: one round; appends "requests_per_second p99_us" to STATE's file.
measure() {
  local state=$1 url status=0
  shift
  : >"$folder/out"
  "$@" >"$folder/out" 2>"$folder/err" &
  running=$!
  for _ in $(seq 100); do
    grep -q listening "$folder/out" && break
    sleep 0.1
  done
  url=$(grep -o 'http://[0-9.:]*' "$folder/out") || { cat "$folder/err" >&2; exit 1; }
  wrk -t 1 -c "$connections" -d "${seconds}s" --latency -s "$source/examples/shop/load.lua" "$url/" >"$folder/wrk"
  kill -TERM "$running"
  wait "$running" || status=$?
  running=
  ((status == 0)) || { echo "bench.sh: error: $state ended with status $status" >&2; cat "$folder/err" >&2; exit 1; }
  [[ $state != recorded ]] || tail -n 1 "$folder/err" >>"$folder/losses"
  awk '/^ *99%/ { p99 = $2 + 0; if ($2 ~ /ms$/) p99 *= 1e3; else if ($2 !~ /us$/) p99 *= 1e6 }
       /^Requests\/sec:/ { print $2, p99 }' "$folder/wrk" >>"$folder/$state"
}

for ((round = 0; round <= rounds; ++round)); do
  measure compiled_out "$shop/shop_off" --threads "$threads"
  measure not_recorded "$shop/shop" --threads "$threads"
  measure recorded "$build/ouro" record -o "$folder/trace" -- "$shop/shop" --threads "$threads"
  rm -rf "$folder/trace"
  ((round > 0)) || rm -f "$folder"/{compiled_out,not_recorded,recorded,losses}
done

echo "machine   $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) CPUs, Linux $(uname -r), not pinned"
echo "commit    $(git -C "$source" describe --always --dirty 2>/dev/null || echo unknown)"
echo "load      wrk -t 1 -c $connections -d ${seconds}s -s examples/shop/load.lua, $threads threads, $rounds rounds"
echo
median() { sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }
base=$(cut -d' ' -f1 "$folder/compiled_out" | median)
printf '%-14s %12s %22s %9s %10s\n' state requests/s 'lowest .. highest' relative 'p99 us'
for state in compiled_out not_recorded recorded; do
  rps=$(cut -d' ' -f1 "$folder/$state" | median)
  p99=$(cut -d' ' -f2 "$folder/$state" | median)
  lowest=$(cut -d' ' -f1 "$folder/$state" | sort -n | head -n 1)
  highest=$(cut -d' ' -f1 "$folder/$state" | sort -n | tail -n 1)
  awk -v s="${state//_/ }" -v r="$rps" -v b="$base" -v p="$p99" -v l="$lowest" -v h="$highest" \
    'BEGIN { printf "%-14s %12.0f %22s %8.1f%% %10.0f\n", s, r, sprintf("%.0f .. %.0f", l, h), 100 * r / b, p }'
done
echo
cat "$folder/losses"
