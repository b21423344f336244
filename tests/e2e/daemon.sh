# ouro daemon: the sessions of a file. It, and what it started, may be killed at any time, and nothing that memory held is lost.
source "$OURO_SOURCE/tests/e2e/lib.sh"

cd "$folder"
said=$folder/said
socket=$memory/metrics.sock
daemon=0
cleanup+=('for name in flight other third; do "$OURO_BIN" stop $name 2>/dev/null; done' 'exec 3>&-' '((daemon == 0)) || kill -9 $daemon')
field() { "$OURO_BIN" status --json "$1" 2>/dev/null | sed -nE "s/.*\"$2\": \"?([^\",]*)\"?,?\$/\1/p"; }
metrics() {
  python3 - "$socket" <<'EOF'
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(10)
s.connect(sys.argv[1])
s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
answer = b""
while part := s.recv(65536):
    answer += part
head, text = answer.split(b"\r\n\r\n", 1)
assert head.startswith(b"HTTP/1.1 200 "), head
sys.stdout.write(text.decode())
EOF
}
metric() { metrics | grep -F "$1" | sed 's/.* //'; }
# What a service manager hears: READY=1 and so on, a line each, in $folder/heard.
cat >manager.py <<'EOF'
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
with open(sys.argv[2], "a", buffering=1) as out:
    open(sys.argv[1] + ".there", "w")
    while True:
        out.write(s.recv(4096).decode() + "\n")
EOF
timeout 110 python3 manager.py "$memory/notify" heard &
manager=$!
cleanup+=('kill $manager')
wait_for 20 test -e "$memory/notify.there"
begin() {
  : >heard
  NOTIFY_SOCKET=$memory/notify "$OURO_BIN" daemon --config ouro.toml 2>>"$said" &
  daemon=$!
  wait_for 20 grep -q READY=1 heard
}
end() {
  kill "$daemon"
  wait "$daemon" || fail "the daemon ended with status $?: $(cat "$said")"
  daemon=0
}
child_of() { pgrep -P "$daemon" -f -- "--name $1( |\$)" || true; }
reload() {
  : >heard
  kill -HUP "$daemon"
  wait_for 20 grep -q RELOADING=1 heard
  wait_for 20 grep -q READY=1 heard
}
write() { cat >ouro.toml && chmod 600 ouro.toml; }

write <<EOF
[[session]]
name = "flight"
buffer_size = "1M"
events = ["incident:*", "!incident:level"]
[[session.trigger]]
on = "event incident:event if number > 100"
hold_off = "0"
do = ["snapshot", 'run echo "\$OURO_FIELD_text" >> seen']
[retention]
folder = "$folder/incidents/new"
age = "1h"
[metrics]
listen = "unix:$socket"
EOF
mkfifo lines
"$programs/incidents" <lines >answers &
program=$!
exec 3>lines
do_() {
  local before
  before=$(wc -l <answers)
  echo "$*" >&3
  wait_for 20 eval "((\$(wc -l <answers) > $before))"
}

# ---- it makes the session, for programs that run and such as start; a trigger's snapshot lies in the folder of [retention]
"$OURO_BIN" daemon --check --config ouro.toml 2>"$said" || fail "--check: $(cat "$said")"
begin
expect_equal "processes" "$(field flight processes)" 1
do_ event 1 first
do_ counter 5
do_ event 500 loud
wait_for 20 test -s incidents/new/seen
expect_equal "what the trigger saw" "$(cat incidents/new/seen)" loud
expect_equal "events" "$(field flight events)" 2
expect_equal "a snapshot's events" "$(timeout 60 babeltrace2 incidents/new/ouro-snapshot-* | grep -c 'incident:event:')" 2

# ---- metrics: what status says
expect_equal "events" "$(metric 'ouro_session_events_total{session="flight",user="'"$(id -un)"'"}')" 2
expect_equal "processes" "$(metric 'ouro_session_processes{session="flight"')" 1
expect_equal "watched" "$(metric 'ouro_daemon_watched{session="flight"')" 1
expect_equal "lost" "$(metric 'cause="full"')" 0
expect_equal "memory" "$(metric 'ouro_session_buffer_bytes{')" 1048576
if command -v promtool >/dev/null; then metrics | promtool check metrics || fail "promtool"; fi

# ---- two of them are one too many
timeout 20 "$OURO_BIN" daemon --config ouro.toml 2>second && fail "a second daemon began"
expect_match "why not" "$(cat second)" 'error: daemon: another ouro daemon has the lock'

# ---- the child is killed: it comes again, and is counted
inode=$(stat -c %i "$OURO_RUNTIME_DIR/session-flight")
child=$(child_of flight)
kill -9 "$child"
wait_for 20 eval '[[ -n $(child_of flight) && $(child_of flight) != $child ]]'
expect_equal "restarts" "$(metric 'ouro_daemon_restarts_total{session="flight"')" 1
expect_match "what it says" "$(cat "$said")" 'session flight: who was beside it ended with signal 9, and begins again in 1 s'
wait_for 20 test -e "$OURO_RUNTIME_DIR/session-flight.on1"

# ---- the daemon and its child are killed: programs go on; the next daemon has the same session with all that it held, and its triggers
child=$(child_of flight)
kill -9 "$daemon" "$child"
wait "$daemon" 2>/dev/null || true
do_ event 2 alone
expect_equal "events" "$(field flight events)" 3
begin
expect_equal "the session's file" "$(stat -c %i "$OURO_RUNTIME_DIR/session-flight")" "$inode"
expect_match "what it says" "$(cat "$said")" 'flight recorder flight goes on'
rm incidents/new/seen
wait_for 20 eval 'do_ event 600 again; test -s incidents/new/seen'
"$OURO_BIN" snapshot flight -o after 2>/dev/null
babeltrace after | grep -oE 'text = "[a-z]+"' | uniq >texts
expect_equal "texts" "$(tr '\n' ' ' <texts)" 'text = "first" text = "loud" text = "alone" text = "again" '
expect_equal "the daemon alone dies: its child follows" "$(
  child=$(child_of flight)
  kill -9 "$daemon"
  wait_for 20 eval '! kill -0 $child 2>/dev/null'
  echo yes
)" yes
wait "$daemon" 2>/dev/null || true
begin

# ---- the file changes: a session ends, one begins, one has other events; memory stays as it was made, and it is said
write <<EOF
[[session]]
name = "flight"
buffer_size = "2M"
events = "incident:level"
[[session]]
name = "other"
[metrics]
listen = "unix:$socket"
EOF
reload
wait_for 20 test -e "$OURO_RUNTIME_DIR/session-other"
wait_for 20 grep -q 'session flight goes on as it was made: --buffer-size is 1M, want 2M' "$said"
before=$(field flight events)
wait_for 20 eval 'do_ counter 7; (($(field flight events) > before))'
before=$(field flight events)
do_ event 3 unwanted
expect_equal "events" "$(field flight events)" "$before"
wait_for 20 eval '! test -e "$OURO_RUNTIME_DIR/session-flight.on1"'
expect_equal "reloads" "$(metric 'ouro_daemon_reloads_total ' | tail -1)" 1

write <<<$'[[session]]\nname = "other"\n[metrics]\nlisten = "unix:'"$socket"$'"'
reload
wait_for 20 eval '! test -e "$OURO_RUNTIME_DIR/session-flight"'
expect_equal "sessions" "$("$OURO_BIN" list --sessions | grep -cE '^(flight|other)')" 1

# ---- a file that makes no sense: what was in force stays
write <<<$'[[session]]\nname = "third"\nbuffers = 3\ncontext = 5'
"$OURO_BIN" daemon --check --config ouro.toml 2>wrong && fail "--check of a wrong file"
expect_match "what is wrong" "$(cat wrong)" "error: daemon: ouro.toml:3: \[\[session\]\] has 'buffers', want one of name, "
expect_match "what is wrong" "$(cat wrong)" "error: daemon: ouro.toml:4: context is 5, a whole number, want a string or an array of strings"
reload
expect_match "what it says" "$(cat "$said")" "'ouro.toml' makes no sense, and what was in force stays"
expect_equal "good" "$(metric 'ouro_daemon_config_good ' | tail -1)" 0
test -e "$OURO_RUNTIME_DIR/session-other" || fail "session other is gone"
! test -e "$OURO_RUNTIME_DIR/session-third" || fail "session third is there"
chmod 666 ouro.toml
"$OURO_BIN" daemon --check --config ouro.toml 2>wrong && fail "--check of a file that all may write"
expect_match "what is wrong" "$(cat wrong)" 'writable by nobody else'

# ---- ouro stop: the session begins anew, as the file has it
generation=$(stat -c %i "$OURO_RUNTIME_DIR/session-other")
"$OURO_BIN" stop other 2>/dev/null
wait_for 20 eval 'test -e "$OURO_RUNTIME_DIR/session-other" && [[ $(stat -c %i "$OURO_RUNTIME_DIR/session-other") != $generation ]]'

# ---- retention: the oldest snapshot goes, nothing else
mkdir old && cp -r after old/ouro-snapshot-20250101-000001 && cp -r after old/ouro-snapshot-20250101-000002 && cp -r after old/mine
touch -d '3 days ago' old/ouro-snapshot-20250101-000001/* old/mine/*
touch -d '1 hour ago' old/ouro-snapshot-20250101-000002/*
write <<EOF
[[session]]
name = "other"
[retention]
folder = "$folder/old"
age = "2d"
keep = "1G"
[metrics]
listen = "unix:$socket"
EOF
reload
wait_for 20 eval '! test -e old/ouro-snapshot-20250101-000001'
expect_equal "what is left" "$(ls old | tr '\n' ' ')" "mine ouro-snapshot-20250101-000002 "
expect_equal "removed" "$(metric 'ouro_snapshots_removed_total ' | tail -1)" 1

# ---- a recording on the disk: its recorder is killed, also together with the daemon, and nothing is lost or twice
write <<EOF
[[session]]
name = "other"
[[session]]
name = "disk"
output = "$folder/traces"
rotate = "10M"
[[session.trigger]]
on = 'event incident:event if text == "here"'
hold_off = "0"
do = 'run echo "\$OURO_FIELD_number" >> $folder/matched'
[metrics]
listen = "unix:$socket"
EOF
reload
disk_of() { pgrep -P "$daemon" -f -- "$folder/traces" || true; }
inode=$(stat -c %i "$OURO_RUNTIME_DIR/session-disk")
do_ many 9
do_ event 1 here
wait_for 20 grep -qx 1 matched
kill -9 "$(disk_of)"
do_ many 20
wait_for 20 grep -q 'session disk: resumed' "$said"
do_ event 2 here
wait_for 20 grep -qx 2 matched
do_ many 29
wait_for 20 eval '(($(metric "ouro_session_events_total{session=\"disk\"") == 60))'
kill -9 $(disk_of) $(child_of other) "$daemon"  # in this order: a daemon that dies tells its children to end
wait "$daemon" 2>/dev/null || true
do_ many 40
begin
do_ many 50
wait_for 20 eval '(($(grep -c "session disk: resumed" "$said") == 2))'
expect_equal "the session's file" "$(stat -c %i "$OURO_RUNTIME_DIR/session-disk")" "$inode"
write <<<$'[[session]]\nname = "other"\n[metrics]\nlisten = "unix:'"$socket"$'"'
reload
wait_for 20 eval '! test -e "$OURO_RUNTIME_DIR/session-disk"'
wait_for 20 eval '! ls traces | grep -q part'
expect_equal "events on the disk" "$(timeout 60 babeltrace2 traces/* | grep -c incident:event:)" 150

# ---- its end: the session stays, nobody is beside it, and the program has noticed nothing of all this
child=$(child_of other)
end
! kill -0 "$child" 2>/dev/null || fail "child $child is left"
expect_match "what the manager heard" "$(cat heard)" 'STOPPING=1'
! test -e "$socket" || fail "$socket is left"
expect_equal "kind" "$(field other kind)" flight
do_ event 9 still
echo exit >&3
wait "$program" || fail "the program ended with status $?"

# ---- the units make sense
if command -v systemd-analyze >/dev/null; then
  sed "s|^ExecStart=[^ ]*|ExecStart=$OURO_BIN|" "$OURO_BUILD/systemd/system/ouro.service" >ouro.service
  cp "$OURO_BUILD/systemd/system/ouro.socket" .
  systemd-analyze verify --man=no ./ouro.service ./ouro.socket 2>units || fail "the units: $(cat units)"
  expect_equal "what systemd says of the units" "$(cat units)" ""
fi

# ---- a socket of the manager's: it stays when the daemon ends
cat >activate.py <<'EOF'
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
os.dup2(s.fileno(), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="ouro.socket")
os.execv(sys.argv[2], sys.argv[2:])
EOF
write <<<$'[[session]]\nname = "other"'
python3 activate.py "$socket" "$OURO_BIN" daemon --config ouro.toml 2>>"$said" &
daemon=$!
wait_for 20 test -S "$socket"
expect_equal "version" "$(metric ouro_build_info | tail -1)" 1
wait_for 20 eval '[[ -n $(child_of other) ]]'
! tr '\0' '\n' <"/proc/$(child_of other)/environ" | grep -E '^(LISTEN_|NOTIFY_)' || fail "the child has the manager's variables"
end
test -S "$socket" || fail "the manager's socket is gone"
