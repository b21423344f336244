# ouro daemon of root: a session of another user's programs, with that user's rights.
source "$OURO_SOURCE/tests/e2e/lib.sh"
[[ $(id -u) == 0 ]] || skip "not root: there is no other user to be"
getent passwd nobody >/dev/null || skip "there is no user nobody"

user=$(id -u nobody) group=$(id -g nobody)
chmod 711 "$folder" "$memory"
mkdir -m 755 "$folder/bin"
cp "$OURO_BIN" "$folder/bin/ouro"
cp "$programs/incidents" "$folder/bin"
theirs=$memory/theirs
mkdir -m 700 "$theirs" "$folder/traces" && chown "$user:$group" "$theirs" "$folder/traces"
cat >"$folder/ouro.toml" <<EOF
[[session]]
name = "of_nobody"
user = "nobody"
runtime_dir = "$theirs"
buffer_size = "1M"
[[session.trigger]]
on = "event incident:event"
hold_off = "0"
do = ["snapshot $folder/traces", 'run id -u > "$folder/traces/who"']
[metrics]
listen = "unix:$memory/metrics.sock"
EOF
chmod 600 "$folder/ouro.toml"
"$folder/bin/ouro" daemon --config "$folder/ouro.toml" 2>"$folder/said" &
daemon=$!
cleanup+=('kill -9 $daemon 2>/dev/null')
wait_for 20 test -e "$theirs/session-of_nobody.on1"
expect_equal "the session's owner" "$(stat -c %u "$theirs/session-of_nobody")" "$user"
expect_equal "the child's user" "$(ps -o uid= -p "$(pgrep -P "$daemon")" | tr -d ' ')" "$user"
expect_equal "its groups" "$(sed -nE 's/^Groups:\s*(.*\S)?\s*$/\1/p' "/proc/$(pgrep -P "$daemon")/status")" "$(id -G nobody)"
(
  echo 'event 1 theirs'
  sleep 2
) | setpriv --reuid "$user" --regid "$group" --clear-groups env OURO_RUNTIME_DIR="$theirs" "$folder/bin/incidents" >/dev/null &
wait_for 20 test -s "$folder/traces/who"
expect_equal "who ran the action" "$(cat "$folder/traces/who")" "$user"
expect_equal "the snapshot's owner" "$(stat -c %u "$folder"/traces/ouro-snapshot-*)" "$user"
expect_equal "events" "$(python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
text = b"".join(iter(lambda: s.recv(65536), b"")).decode()
print(next(line.split()[-1] for line in text.splitlines() if line.startswith("ouro_session_events{session=\"of_nobody\",user=\"nobody\"}")))' "$memory/metrics.sock")" 1
expect_equal "files of root's in their folder" "$(find "$theirs" -uid 0)" ""

# ---- it is taken out of the file: it ends, in their folder
sed -i 's/of_nobody/another/' "$folder/ouro.toml"
kill -HUP "$daemon"
wait_for 20 test -e "$theirs/session-another"
wait_for 20 eval '! test -e "$theirs/session-of_nobody"'
kill "$daemon"
wait "$daemon" || fail "the daemon: status $?: $(cat "$folder/said")"
