# ouro top: rates, losses, the newest events and the slowest spans, as text and on a terminal.
source "$OURO_SOURCE/tests/e2e/lib.sh"

cleanup+=('pkill -9 -f "$folder/books"; "$OURO_BIN" stop one two 2>/dev/null')
ouro() { timeout 60 "$OURO_BIN" "$@" 2>"$folder/said" || fail "ouro $*: status $?: $(cat "$folder/said")"; }

! "$OURO_BIN" top --times 1 2>"$folder/said" || fail "nothing there"
expect_match "without anything" "$(cat "$folder/said")" "runtime folder .* is not there"
! "$OURO_BIN" top --interval never 2>/dev/null || fail "--interval never"

# 100 events, then 10 ms: 10,000 a second at most
ouro record --flight --name one -d --buffer-size 1M -- "$programs/storm" "$folder/books1" threads=1 events=0 pause=10000 text=10 </dev/null >/dev/null
ouro record --flight --name two -d -- "$programs/basic" 2000 </dev/null >/dev/null
wait_for 20 test -s "$folder/books1"
ouro top one --times 2 --interval 500ms >"$folder/pages"
expect_equal "pages" "$(grep -c '^Session' "$folder/pages")" 2
read -r _ kind processes rate lost _ < <(grep '^\*one' "$folder/pages" | tail -1)
expect_equal "kind and processes" "$kind $processes" "flight 1"
expect_equal "lost a second" "$lost" 0.0
((${rate%.*} > 1000 && ${rate%.*} < 12000)) || fail "rate is $rate: $(cat "$folder/pages")"
of_event=$(awk '$1 == "storm:number" {print $2}' "$folder/pages" | tail -1)
((${of_event%.*} > 900 && ${of_event%.*} < 11000)) || fail "rate of storm:number is $of_event: $(cat "$folder/pages")"

! "$OURO_BIN" top nobody --times 1 2>"$folder/said" || fail "a session that is not there"
expect_match "what is wrong" "$(cat "$folder/said")" "session 'nobody' is not there"

# The spans of a program that has ended are old: not the newest ones.
ouro top two --times 1 --interval 100ms >"$folder/pages"
expect_match "nothing new" "$(cat "$folder/pages")" 'no events'

# On a terminal: n takes the next session, q ends.
python3 - "$OURO_BIN" <<'EOF' || fail "on a terminal"
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execv(sys.argv[1], [sys.argv[1], "top", "one", "--interval", "200ms"])
seen = b""
def read_until(word, key=None):
    global seen
    if key:
        os.write(fd, key)
    end = time.time() + 20
    while word not in seen:
        assert time.time() < end, seen
        if select.select([fd], [], [], 0.1)[0]:
            seen += os.read(fd, 65536)
read_until(b"storm:number")
read_until(b"no events", b"n")  # session two has been quiet
os.write(fd, b"q")
end = time.time() + 20
while True:
    try:
        if not os.read(fd, 65536): break
    except OSError:
        break
    assert time.time() < end
assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
EOF
[[ -z $(ls "$OURO_RUNTIME_DIR" | grep '^top-') ]] || fail "left: $(ls "$OURO_RUNTIME_DIR")"
