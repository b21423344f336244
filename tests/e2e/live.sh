# Traces that babeltrace2 reads while they are being written: from the beginning, by one who comes late, by one who wants what comes from now on.
source "$OURO_SOURCE/tests/e2e/lib.sh"

host=$(hostname)
# serve TRACE [OPTION...]: in the background; $server, $port. serve_all: what is being recorded
serve() { start_server "$1" "${@:2}" "$folder/$1"; }
serve_all() { start_server all; }
start_server() {
  rm -f "$folder/$1.live"
  timeout 60 "$OURO_BIN" live --listen 127.0.0.1:0 "${@:2}" 2>"$folder/$1.live" &
  server=$!
  cleanup+=("kill $server 2>/dev/null")
  wait_for 20 grep -qs serving "$folder/$1.live"
  port=$(sed -nE 's/.*localhost:([0-9]+).*/\1/p' "$folder/$1.live")
}
# view TRACE NAME: until it ends by itself; into $folder/NAME. Cycles, for the clock is known better when all is over.
view() {
  timeout 60 babeltrace2 --clock-cycles --no-delta --input-format=lttng-live "net://localhost:$port/host/$host/$1" >"$folder/$2" 2>"$folder/$2.stderr" ||
    fail "viewer $2: status $?: $(tail -5 "$folder/$2.stderr")"
  [[ ! -s $folder/$2.stderr ]] || fail "viewer $2 says: $(head -5 "$folder/$2.stderr")"
}
# The trace's own text; what two CPUs did in one cycle has no order.
same() {
  babeltrace2 --clock-cycles --no-delta "$folder/$1" | LC_ALL=C sort >"$folder/whole"
  LC_ALL=C sort "$folder/$2" | cmp - "$folder/whole" || fail "viewer $2 has another trace than $1: $(wc -l <"$folder/$2") lines, want $(wc -l <"$folder/whole")"
}

# ---- a program that takes five seconds; one viewer from the beginning, one late
record trace -- "$programs/storm" "$folder/books" threads=2 events=5000 pause=100000 text=7 &
recorder=$!
serve trace
expect_equal "sessions" "$(timeout 20 babeltrace2 --input-format=lttng-live "net://localhost:$port" | sed 's/, [0-9]* stream.*//')" \
  "net://localhost:$port/host/$host/trace (timer = 1000000"
view trace early &
early=$!
has() { [[ -e $folder/early && $(wc -l <"$folder/early") -ge $1 ]]; }
wait_for 20 has 2000
kill -0 "$recorder" || fail "the recording was over when its viewer had its first events"
view trace late
wait "$early"
wait "$recorder"
expect_equal "events" "$(recorded trace), $(lost trace) lost" "10000, 0 lost"
wait_for 20 bash -c "! kill -0 $server 2>/dev/null"
wait "$server" || fail "ouro live: status $?: $(cat "$folder/trace.live")"
expect_match "what it says at the end" "$(tail -1 "$folder/trace.live")" '^ouro: served 2 viewers: [0-9]+ packets, [0-9.]+ [kM]B, 0 left out$'
same trace early
same trace late
[[ ! -e $folder/trace/.recording ]] || fail "the recorder left its mark"

# ---- sessions by their names: all, then one
record named --name first -- "$programs/basic" 10 /bin/sleep 4 >/dev/null &
recorder=$!
wait_for 20 test -e "$folder/named/.recording"
serve_all
expect_match "sessions" "$(timeout 20 babeltrace2 --input-format=lttng-live "net://localhost:$port")" "/host/$host/first \\(timer"
view first by_name &
viewer=$!
timeout 20 "$OURO_BIN" live -l 0 first 2>"$folder/first.live" &
wait_for 20 grep -qs 'serving trace first (hint' "$folder/first.live"
wait "$viewer"
wait "$recorder"
wait "$server" || fail "ouro live: status $?: $(cat "$folder/all.live")"
same named by_name

# ---- events that come later than their viewer; rings that are quiet for long
record many -- "$programs/many" 8 300000 &
recorder=$!
serve many --from-now
view many now
wait "$recorder"
wait "$server" || fail "ouro live: status $?: $(cat "$folder/many.live")"
[[ $(grep -c ouro:process "$folder/now") == 1 ]] || fail "who wrote them: $(head -3 "$folder/now")"

# ---- a recorder that is killed: viewers have what it wrote, and end
timeout 60 "$OURO_BIN" record -o "$folder/killed" -- "$programs/storm" "$folder/books2" threads=1 events=0 pause=10000 2>/dev/null &
cleanup+=('pkill -9 -f "$folder/books2"')
wait_for 20 test -s "$folder/killed/stream_cpu0" -o -s "$folder/killed/stream_cpu1" -o -s "$folder/killed/stream_cpu2" -o -s "$folder/killed/stream_cpu3"
serve killed
view killed cut &
cut=$!
recorder=$(pgrep -f "record -o $folder/killed" | tail -1)
kill -9 "$recorder"
wait "$cut"
wait "$server" || fail "ouro live: status $?: $(cat "$folder/killed.live")"
[[ -e $folder/killed/.recording ]] || fail "a killed recorder leaves its mark"
same killed cut

# ---- a trace that is complete; somebody who says nothing, and a hundred kilobytes of nonsense
serve trace
exec 9<>"/dev/tcp/127.0.0.1/$port"
head -c 100000 /dev/urandom 2>/dev/null >"/dev/tcp/127.0.0.1/$port" || true
wait_for 20 grep -q 'a viewer is hung up on: ' "$folder/trace.live"
view trace again
wait "$server" || fail "ouro live: status $?: $(cat "$folder/trace.live")"
exec 9>&-
same trace again

# ---- what cannot be
no() { timeout 20 "$OURO_BIN" live "$@" 2>&1 && fail "ouro live $*: status 0" || true; }
expect_match "nothing" "$(no)" "nothing is being recorded, want a TRACE or a running .ouro record."
expect_match "no folder" "$(no "$folder/none")" "trace '$folder/none': No such file or directory"
expect_match "no trace in it" "$(no "$folder")" "trace '$folder': metadata: No such file or directory"
expect_match "address" "$(no -l nowhere:1 "$folder/trace")" "address 'nowhere': .*want one as 127.0.0.1"
serve trace
expect_match "an address that is taken" "$(no -l "$port" "$folder/trace")" "port $port: Address already in use \(hint: another .ouro live. or lttng-relayd is there"
kill -INT "$server"
wait "$server" || fail "after SIGINT: status $?"
