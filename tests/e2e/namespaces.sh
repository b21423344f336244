# Programs in PID, mount and user namespaces of their own, with a /dev/shm of their own or none: found, recorded, told from each other, and
# not taken for dead by those outside.
source "$OURO_SOURCE/tests/e2e/lib.sh"
[[ $(id -u) == 0 ]] || skip "not root: no namespaces to be made"
unshare -mpf --mount-proc true 2>/dev/null || skip "unshare makes no namespaces here"

chmod 711 "$folder"
mkdir -m 755 "$folder/bin"
cp "$OURO_BIN" "$folder/bin/ouro"
cp "$programs/storm" "$folder/bin"
mkdir -m 777 "$folder/data"
mkdir -m 700 "$folder/run"

events_on() { "$OURO_BIN" list --json "$1" 2>/dev/null | grep -c '"enabled": true' || true; }
is_on() { [[ $(events_on "$1") == "$2" ]]; }
has_events() { "$OURO_BIN" list "$1" >/dev/null 2>&1; }

storm_options=(threads=1 events=0 pause=5000 long=3)
# contain NAME COMMAND...: the command, which ends in `storm`, in the background; its pid in $program. NAME is its books.
contain() {
  local name=$1
  shift
  "$@" >"$folder/$name.out" 2>&1 &
  local outer=$!
  cleanup+=("kill -9 $outer 2>/dev/null")
  find_it() {
    program=$(grep -lsx storm $(grep -lzs "data/$name\$" /proc/[0-9]*/cmdline | sed 's/cmdline$/comm/') | sed -E 's/[^0-9]//g' | head -1)
    [[ -n $program ]] && has_events "$program"
  }
  wait_for 20 find_it
  cleanup+=("kill -9 $program 2>/dev/null")
}

# check NAME: recorded by its pid as we see it, and left as it was.
check() {
  "$OURO_BIN" record -o "$folder/$1" -p "$program" --for 400ms 2>"$folder/$1.summary" || fail "$1: $(cat "$folder/$1.summary")"
  expect_match "what is said of $1" "$(cat "$folder/$1.summary")" 'session [^ ]+: 2 events of 1 processes are on'
  [[ $(recorded "$1") -gt 0 ]] || fail "nothing of $1: $(cat "$folder/$1.summary")"
  expect_equal "loss of $1: $(cat "$folder/$1.summary")" "$(lost "$1")" 0
  expect_equal "events of $1 that babeltrace2 finds" "$(babeltrace "$1" | grep -c ' storm:')" "$(recorded "$1")"
  is_on "$program" 0 || fail "$1 is still on"
  expect_equal "sessions left in the folder of $1" "$(nsenter -t "$program" -m ls "${2:-/proc/self/none}" 2>/dev/null | grep session- || true)" ""
}

# ---- two PID namespaces, one runtime folder: both are number 1 there, and neither is ours
contain pid_a unshare -pf --mount-proc "$folder/bin/storm" "$folder/data/pid_a" "${storm_options[@]}"
a=$program
contain pid_b unshare -pf --mount-proc "$folder/bin/storm" "$folder/data/pid_b" "${storm_options[@]}"
b=$program
expect_equal "registries" "$(cd "$OURO_RUNTIME_DIR" && echo *)" "1.0 1.1"
expect_equal "programs that are listed" "$("$OURO_BIN" list | grep -oE '^[0-9]+ storm' | sort)" "$(printf '%s storm\n' "$a" "$b" | sort)"
program=$a
check pid_a "$OURO_RUNTIME_DIR"
# Only the one that was meant.
"$OURO_BIN" record -o "$folder/one" -p "$a" --for 20s 2>"$folder/one.summary" &
recorder=$!
cleanup+=("kill -9 $recorder 2>/dev/null")
wait_for 20 is_on "$a" 2
expect_equal "events of the other that are on" "$(events_on "$b")" 0
kill -INT $recorder
wait $recorder || fail "$(cat "$folder/one.summary")"
# Records in two phases, of writers who are not dead because nobody here has their number.
"$OURO_BIN" record -o "$folder/both" --all --for 1s 2>"$folder/both.summary" || fail "$(cat "$folder/both.summary")"
expect_match "both" "$(cat "$folder/both.summary")" '4 events of 2 processes are on'
expect_equal "dead ones" "$(grep 'their thread was killed' "$folder/both.summary" || true)" ""
expect_equal "loss of both: $(cat "$folder/both.summary")" "$(lost both)" 0
[[ $(count both storm:text) -gt 0 ]] || fail "no long records"
# Dead ones are, though.
kill -9 "$a"
is_gone() { [[ $("$OURO_BIN" list | grep -cE '^[0-9]+ storm') == 1 ]]; }
wait_for 20 is_gone
expect_equal "registries of who is left" "$(cd "$OURO_RUNTIME_DIR" && echo *)" "1.1"
contain pid_c unshare -pf --mount-proc "$folder/bin/storm" "$folder/data/pid_c" "${storm_options[@]}"
expect_equal "registries, as one came" "$(cd "$OURO_RUNTIME_DIR" && echo *)" "1.0 1.1"
kill -9 "$program" "$b"

# ---- a /dev/shm of its own, and all other namespaces too
unset OURO_RUNTIME_DIR XDG_RUNTIME_DIR
contain mount unshare -m bash -c 'mount -t tmpfs -o mode=1777 t /dev/shm; exec "$@"' bash "$folder/bin/storm" "$folder/data/mount" "${storm_options[@]}"
check mount /dev/shm/ouro-0
kill -9 "$program"
contain all unshare -mpfiun --mount-proc bash -c 'mount -t tmpfs -o mode=1777 t /dev/shm; exec "$@"' bash "$folder/bin/storm" "$folder/data/all" "${storm_options[@]}"
check all /dev/shm/ouro-0
kill -9 "$program"

# ---- none at all: /tmp, which is its own here, too
mkdir -m 1777 "$folder/tmp"
mkdir "$folder/dev"
contain none unshare -m bash -c 'cd "$1/bin" && mount -t tmpfs t "$1/dev" && cd "$1/dev" && mknod -m 666 null c 1 3 && mknod -m 666 urandom c 1 9 && cd "$1/bin" &&
  mount --move "$1/dev" /dev && mount --bind "$1/tmp" /tmp && shift && exec env ./storm ../data/none "$@"' bash "$folder" "${storm_options[@]}"
[[ -e $folder/tmp/ouro-0/$program.0 ]] || fail "no registry in /tmp: $(ls -R "$folder/tmp")"
expect_equal "mode of the folder in /tmp" "$(stat -c %a "$folder/tmp/ouro-0")" 700
check none /tmp/ouro-0
kill -9 "$program"

# ---- root in a user namespace only: its folder is that of who he is outside
user=65534
contain user unshare -m bash -c 'mount -t tmpfs -o mode=1777 t /dev/shm; exec setpriv --reuid '$user' --regid '$user' --clear-groups "$@"' bash \
  unshare -Urpf --mount-proc "$folder/bin/storm" "$folder/data/user" "${storm_options[@]}"
expect_equal "its folder" "$(nsenter -t "$program" -m ls /dev/shm)" "ouro-$user"
check user "/dev/shm/ouro-$user"
# And who he is outside may record it, without being root.
mkdir -m 700 "$folder/data/run"
chown $user:$user "$folder/data/run"
setpriv --reuid $user --regid $user --clear-groups env OURO_RUNTIME_DIR="$folder/data/run" \
  "$folder/bin/ouro" record -o "$folder/data/trace" -p "$program" --for 300ms 2>"$folder/owner.summary" || fail "$(cat "$folder/owner.summary")"
[[ $(recorded owner) -gt 0 ]] || fail "nothing for its owner: $(cat "$folder/owner.summary")"
