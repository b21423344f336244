#!/usr/bin/env bash
# A recording in pieces, for minutes, on a disk that others fill and empty; needs root (a small file system is mounted). At the end the books balance: what the program
# tried is in the traces, was removed with the oldest of them, or is counted as lost.
#   tests/stress/disk.sh [--minutes N] [BUILD]          10 minutes, build/release
set -euo pipefail
minutes=10
if [[ ${1-} == --minutes ]]; then
  minutes=$2
  shift 2
fi
build=$(realpath "${1-build/release}")
folder=$(mktemp -d /tmp/ouro-disk.XXXXXX)
export OURO_RUNTIME_DIR=$folder/run
disk=$folder/disk recorder=
mkdir "$disk"
mount -t tmpfs -o size=48m none "$disk"
trap '[[ -z $recorder ]] || kill -9 $recorder 2>/dev/null; umount -l "$disk"; rm -rf "$folder"' EXIT

"$build/ouro" record -o "$disk/traces" --rotate 2M --rotate 3s --keep 16M --compress --buffer-size 1M -- \
  "$build/tests/programs/storm" "$folder/books" threads=2 events=0 seconds=$((minutes * 60)) pause=2500 text=9 long=5001 timer=900 >"$folder/tried" 2>"$folder/said" &
recorder=$!
fills=0 begun=$SECONDS
while kill -0 $recorder 2>/dev/null; do
  sleep "$((RANDOM % 5)).$((RANDOM % 10))"
  dd if=/dev/zero of="$disk/filler" bs=64k status=none 2>/dev/null || true
  fills=$((fills + 1))
  sleep "$((RANDOM % 4)).$((RANDOM % 10))"
  rm -f "$disk/filler"
done
status=0
wait $recorder || status=$?
recorder=
rm -f "$disk/filler"
cat "$folder/said"
number() { sed -nE "s/$1/\\1/p" "$folder/said" | tail -1; }
recorded=$(number '^ouro: recorded ([0-9]+) events.*') lost=$(number '^ouro: recorded [0-9]+ events, ([0-9]+) lost.*')
gone=$(number '.*with ([0-9]+) of these events$') tried=$(cat "$folder/tried")
export TMPDIR=$folder
left=$("$build/ouro" print "$disk/traces" 2>&1 >"$folder/printed" | sed -nE 's/^ouro: printed ([0-9]+) of .*/\1/p')
twice=$(grep -oE 'writer=[0-9]+ number=[0-9]+' "$folder/printed" | sort | uniq -d | wc -l)
echo "$((SECONDS - begun)) s, filled $fills times: tried $tried, recorded $recorded, lost $lost; left $left, removed $gone; twice $twice; status $status"
[[ $((recorded + lost)) == "$tried" && $((left + gone)) == "$recorded" && $twice == 0 ]] && echo "the books balance"
