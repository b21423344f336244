# Where the runtime folder's file system has no room, events are lost and counted, the recorder says so, and the program
# notices nothing: no store of the tracer may ever meet a page that cannot be had (SIGBUS).
source "$OURO_SOURCE/tests/e2e/lib.sh"
((EUID == 0)) || skip "only root may mount a small file system"
mkdir "$folder/small"
mount -t tmpfs -o size=8M,mode=0700 tmpfs "$folder/small" 2>/dev/null || skip "no tmpfs may be mounted here"
cleanup+=('umount -l "$folder/small"')
export OURO_RUNTIME_DIR=$folder/small/run

# Room for the session's tables, none for the rings' data.
timeout 60 "$OURO_BIN" record -o "$folder/none" --buffer-size 64M -- "$programs/basic" 1000 >"$folder/said" 2>"$folder/none.summary" ||
  [[ $? == 1 ]] || fail "status $?: $(cat "$folder/none.summary")"
expect_equal "output of the program" "$(cat "$folder/said")" "1000 turns"
expect_equal "events recorded" "$(recorded none)" 0
expect_equal "events lost" "$(lost none)" 4000
grep -qiE 'warning.*memory|lost 4000 events.*memory' "$folder/none.summary" || fail "no warning about memory: $(cat "$folder/none.summary")"

# Many processes, and writers that write in two phases, on a file system that fills up while they run.
(while :; do head -c 64K /dev/zero >>"$folder/small/filling" 2>/dev/null || sleep 0.005; done) &
filler=$!
cleanup+=("kill $filler 2>/dev/null")
for i in 1 2 3 4 5 6; do
  rm -f "$folder/small/filling"
  timeout 60 "$OURO_BIN" record -o "$folder/trace$i" --buffer-size 1M -- "$programs/processes" "$programs/basic" >/dev/null 2>"$folder/summary" &&
    status=0 || status=$?
  # The recorder may find no room for its session; the program must not have been harmed: killed by a signal, say.
  ((status <= 1)) || fail "round $i: status $status: $(cat "$folder/summary")"
  ! grep -q 'signal' "$folder/summary" || fail "round $i: $(cat "$folder/summary")"
done
said=$(timeout 20 "$programs/sanctity" 2>&1) || [[ $said == *descriptors* ]] || fail "untraced, full: $said"
