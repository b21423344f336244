# Programs that are killed while they attach, or soon after, at 300 moments from before main() on, leave the session as it was: whoever
# starts after them is recorded whole, and the trace is sound.
source "$OURO_SOURCE/tests/e2e/lib.sh"

cat >"$folder/killer.py" <<'END'
import os, signal, subprocess, sys, time
basic, count = sys.argv[1], int(sys.argv[2])
cut_short = 0
for i in range(count):
    victim = subprocess.Popen([basic, "5000"], stdout=subprocess.DEVNULL)
    time.sleep(i * 8e-6)  # up to 2.4 ms
    victim.kill()
    victim.wait()
    cut_short += victim.returncode == -signal.SIGKILL
    if i % 30 == 29:
        subprocess.run([basic, "50"], stdout=subprocess.DEVNULL, check=True)
print(cut_short)
END
timeout 100 "$OURO_BIN" record -o "$folder/trace" --buffer-size 256M -- python3 "$folder/killer.py" "$programs/basic" 300 >"$folder/said" \
  2>"$folder/trace.summary" || fail "ouro record: $(cat "$folder/trace.summary")"
[[ $(cat "$folder/said") -ge 100 ]] || fail "only $(cat "$folder/said") of 300 were killed before they ended"
timeout 100 babeltrace2 "$folder/trace" >"$folder/text" 2>/dev/null || fail "babeltrace2 refuses the trace"
# Ten that were not killed, of 50 turns; a victim's turns begin at 0 as well, so: by thread.
awk '/ basic:level:/ { match($0, /tid = [0-9]+/); n[substr($0, RSTART, RLENGTH)]++ } END { for (t in n) if (n[t] == 50) ok++; print ok + 0 }' "$folder/text" >"$folder/whole"
[[ $(cat "$folder/whole") -ge 10 ]] || fail "programs that were recorded whole: $(cat "$folder/whole"), want 10: $(cat "$folder/trace.summary")"
# Of each victim the record under way, at most, is lost.
dead=$("$OURO_BIN" stats --json "$folder/trace" | sed -nE 's/.*"dead_writer": ([0-9]+).*/\1/p')
[[ ${dead:-0} -le 300 ]] || fail "lost: $(cat "$folder/trace.summary")"
expect_equal "files in the runtime folder" "$(find "$OURO_RUNTIME_DIR" -type f | wc -l)" 0
