#!/usr/bin/env bash
# How many events a second one thread can write into buffers of the default size while `ouro record` drains them to disk,
# without loss: a table of rates and losses.
#
#   bench/sustain.sh BUILD_FOLDER [SECONDS] [FOLDER_FOR_TRACES]
set -euo pipefail
build=${1:?usage: bench/sustain.sh BUILD_FOLDER [SECONDS] [FOLDER_FOR_TRACES]}
work=$(mktemp -d -p "${3:-${TMPDIR:-/tmp}}")
trap 'rm -rf "$work"' EXIT
for rate in 1 5 10 20 30 40 50 60 0; do
  "$build/ouro" record -o "$work/trace" -- "$build/bench/sustain" $rate "${2:-3}" 2>&1 | tr '\n' ' ' | sed "s#to $work/trace##"
  echo
  rm -rf "$work/trace"
done
