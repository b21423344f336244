# Root attaches to another user's program, and trusts nothing in that user's folder; other users may not; nothing of it stays.
source "$OURO_SOURCE/tests/e2e/lib.sh"
[[ $(id -u) == 0 ]] || skip "not root: there is no other user to be"

owner=65534 third=65533
chmod 711 "$folder"
mkdir -m 755 "$folder/bin"
cp "$OURO_BIN" "$folder/bin/ouro"
cp "$programs/storm" "$programs/basic" "$folder/bin"
for user in $owner $third; do
  mkdir -m 700 "$folder/of-$user" "$folder/data-$user"
  chown "$user:$user" "$folder/of-$user" "$folder/data-$user"
done
theirs=$folder/of-$owner
as() {  # as USER COMMAND...; in the background, $! is the command's own pid
  local user=$1
  shift
  exec setpriv --reuid "$user" --regid "$user" --clear-groups env OURO_RUNTIME_DIR="$folder/of-$user" "$@"
}
files() { find "$theirs" -mindepth 1 -printf '%P %u %y\n' | sort; }
events_on() { "$OURO_BIN" list --json "$1" 2>/dev/null | grep -c '"enabled": true' || true; }
is_on() { [[ $(events_on "$1") == "$2" ]]; }

as $owner "$folder/bin/storm" "$folder/data-$owner/books" threads=2 events=0 pause=1000 text=100 forks=2000 >"$folder/out" 2>&1 &
program=$!
cleanup+=("kill -9 $program 2>/dev/null")
wait_for 20 test -s "$folder/data-$owner/books"
settled() { [[ $(cat "/proc/$program/comm") == storm && $(events_on "$program") == 0 ]]; }
wait_for 20 settled

# ---- root does: its events, and those of what it forks
"$OURO_BIN" record -o "$folder/root" -p "$program" --for 1s 2>"$folder/root.summary" || fail "$(cat "$folder/root.summary")"
[[ $(recorded root) -gt 0 ]] || fail "nothing came: $(cat "$folder/root.summary")"
expect_equal "loss" "$(lost root)" 0
expect_equal "events that babeltrace2 finds" "$(babeltrace root | grep -c ' storm:')" "$(recorded root)"
expect_equal "what is left in the other's folder" "$(files | grep -v '^[0-9]*\.0 nobody f$' || true)" ""
expect_equal "what is left in root's" "$(ls "$OURO_RUNTIME_DIR" 2>/dev/null)" ""
is_on "$program" 0 || fail "still on"

# ---- ouro list and ouro enable, too
"$OURO_BIN" record -o "$folder/live" -p "$program" --name live -e storm:text --for 30s 2>"$folder/live.summary" &
recorder=$!
cleanup+=("kill -9 $recorder 2>/dev/null")
wait_for 20 is_on "$program" 1
expect_match "the session's file" "$(stat -c '%u %a' "$theirs/session-live")" "^$owner 600$"
expect_match "enable" "$("$OURO_BIN" enable -p "$program" live storm:number)" '^session live: [0-9]+ events of [0-9]+ processes are on$'
wait_for 20 is_on "$program" 2
"$OURO_BIN" disable -p "$program" live storm:text >/dev/null
wait_for 20 is_on "$program" 1
kill -INT $recorder
wait $recorder || fail "$(cat "$folder/live.summary")"
[[ $(count live storm:number) -gt 0 ]] || fail "$(cat "$folder/live.summary")"

# ---- other users may not, nor ask
refused() {  # refused PATTERN COMMAND...
  local pattern=$1 said
  shift
  if said=$("$@" 2>&1); then fail "done: $*"; fi
  expect_match "what $* says" "$said" "$pattern"
}
not_yours="process $program \(storm\) is of user $owner, want one of user $third \(hint: as root\)"
refused "$not_yours" as $third "$folder/bin/ouro" record -o "$folder/data-$third/trace" -p "$program"
refused "$not_yours" as $third "$folder/bin/ouro" list "$program"
refused "$not_yours" as $third "$folder/bin/ouro" enable -p "$program" live '*'

# ---- a folder that others can write to is not entered
chmod 770 "$theirs"
refused "runtime folder '.*' is of user $owner with mode 0770, want user $owner" "$OURO_BIN" record -o "$folder/none" -p "$program"
chmod 700 "$theirs"

# ---- what stands in the other's folder leads nowhere and stops nobody
echo secret >"$folder/secret"
chmod 600 "$folder/secret"
(as $owner bash -c 'cd "$1"
  ln -s "$2" session-link; ln -s "$2" everyone; ln -s "$2" 4000001.0; ln -s / 4000002.0
  mkfifo session-fifo 4000003.0; mkdir session-folder 4000004.0
  head -c 100000 /dev/urandom >session-junk; head -c 8500000 /dev/urandom >4000005.0; truncate -s 1T session-large
  for i in {0..299}; do : >"$3.$((i + 100))"; done' bash "$theirs" "$folder/secret" "$program")
cp -p "$folder/secret" "$folder/secret.before"
timeout 60 "$OURO_BIN" record -o "$folder/junk" -p "$program" --for 300ms 2>"$folder/junk.summary" || fail "$(cat "$folder/junk.summary")"
[[ $(recorded junk) -gt 0 ]] || fail "nothing came: $(cat "$folder/junk.summary")"
expect_equal "the secret" "$(cat "$folder/secret") $(stat -c '%u %a %Y' "$folder/secret")" "secret $(stat -c '%u %a %Y' "$folder/secret.before")"
rm -rf "$theirs"/everyone "$theirs"/session-* "$theirs"/400000[1-5].0 "$theirs/$program".[1-9]*

# ---- locked for ever by the program's user: an error after two seconds
flock "$theirs/$program.0" sleep 30 >/dev/null 2>&1 &
holder=$!
cleanup+=("kill $holder 2>/dev/null")
sleep 0.2
refused 'is locked by another tool for two seconds, want it done' "$OURO_BIN" record -o "$folder/none" -p "$program"
kill $holder
kill -9 $program

# ---- it becomes another program: that is in the session, too
as $owner "$folder/bin/basic" 100000000 "$folder/bin/storm" "$folder/data-$owner/books2" threads=1 events=0 pause=1000 >/dev/null 2>&1 &
program=$!
cleanup+=("kill -9 $program 2>/dev/null")
wait_for 20 test -e "$theirs/$program.0"
kill -STOP $program
"$OURO_BIN" record -o "$folder/exec" -p "$program" -e 'storm:*' --for 40s 2>"$folder/exec.summary" &
recorder=$!
cleanup+=("kill -9 $recorder 2>/dev/null")
wait_for 20 grep -q 'are on' "$folder/exec.summary"
kill -CONT $program
wait_for 30 is_on "$program" 2
sleep 0.3
kill -INT $recorder
wait $recorder || fail "$(cat "$folder/exec.summary")"
[[ $(recorded exec) -gt 0 ]] || fail "nothing of what it became: $(cat "$folder/exec.summary")"
kill -9 $program

# ---- programs with privileges that their caller lacks: not at all; where that is root's, in root's folder, whatever the environment says
cp "$programs/basic" "$folder/bin/setgid"
cp "$programs/basic" "$folder/bin/setuid"
chgrp $third "$folder/bin/setgid" && chmod 2755 "$folder/bin/setgid"
chmod 4755 "$folder/bin/setuid"
export -f as
export folder
made=$(unshare -m bash -c 'mount -t tmpfs -o mode=1777 t /dev/shm
  for program in setgid setuid; do
    (as '$owner' env OURO_SESSION=session-x "$folder/bin/$program" 10 >/dev/null)
    echo $program: $(cd /dev/shm && ls)
  done')
expect_equal "folders that were made" "$made" $'setgid:\nsetuid: ouro-0'
expect_equal "what they left where the environment says" "$(ls "$theirs" | grep -v "^$program" || true)" ""
