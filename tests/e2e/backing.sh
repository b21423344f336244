# A flight recorder whose memory is a file: it is there when the runtime folder is not any more, as after a reboot.
source "$OURO_SOURCE/tests/e2e/lib.sh"

ouro() { timeout 60 "$OURO_BIN" "$@" 2>"$folder/said" || fail "ouro $*: status $?: $(cat "$folder/said")"; }
babeltrace() { timeout 60 babeltrace2 "$folder/$1" 2>"$folder/babeltrace.stderr" || fail "babeltrace2 refuses $1"; }  # it warns of what was overwritten
refused() {  # refused STATUS PATTERN OPTION...
  local status=$1 pattern=$2 seen=0 said
  shift 2
  said=$("$OURO_BIN" "$@" 2>&1) || seen=$?
  expect_equal "status of ouro $*" "$seen" "$status"
  expect_match "what ouro $* says" "$said" "$pattern"
}
disk=$(mktemp -d "$OURO_BUILD/ouro-backing.XXXXXX")
cleanup+=("rm -rf '$disk'")

# ---- where a store could fail, it is refused, and why is said
refused 1 'file system of type 0x1021994, want ext4 or xfs' record --flight --backing "$memory" -- true
refused 1 "folder '/nowhere'" record --flight --backing /nowhere -- true
refused 2 'backing without --flight' record --backing "$disk" -- true
refused 2 'backing with --core' recover --backing "$disk" --core x
refused 2 'want neither' recover --list --backing "$disk"
[[ $(stat -f -c %T "$disk") =~ ext|xfs ]] || skip "$disk lies neither on ext4 nor on xfs"
mkdir -m 777 "$disk/open"
refused 1 'may be written to by others .mode 777., want one in which nobody else' record --flight --backing "$disk/open" -- true

# ---- several programs write; the file is on the disk, the runtime folder has a link
ouro record --flight --all --name always --buffer-size 512K --backing "$disk"
expect_equal "the link" "$(readlink "$OURO_RUNTIME_DIR/session-always")" "$(realpath "$disk")/session-always"
expect_match "what status shows" "$("$OURO_BIN" status)" "memory  file.*always .* $(realpath "$disk")/session-always"
expect_match "what status shows" "$("$OURO_BIN" status --json)" '"file": "'"$(realpath "$disk")/session-always"'"'
for i in 1 2; do "$programs/storm" "$folder/books$i" threads=2 events=1000 text=10 >/dev/null; done
ouro snapshot -o "$folder/snapshot"
expect_equal "events of a snapshot" "$(count snapshot 'storm:(number|text)')" 4000
refused 1 'hint: ouro recover .*session-always' record --flight --name always --backing "$disk" -- true
[[ -e $disk/session-always ]] || fail "somebody else's file is gone"

# ---- as a reboot leaves it: no runtime folder, no program
rm -rf "$OURO_RUNTIME_DIR"
ouro recover --backing "$disk" -o "$folder/recovered"
expect_match "what is said" "$(cat "$folder/said")" 'recorded 4000 events, 0 lost.*session-always stays; remove it'
if grep -q 'ouro: torn' "$folder/said"; then fail "nothing is torn: $(cat "$folder/said")"; fi
expect_equal "the same events" "$(babeltrace recovered | grep 'storm:' | sed 's/.*storm:/storm:/; s/check = [^,]*,//' | sort | md5sum)" "$(babeltrace snapshot | grep 'storm:' | sed 's/.*storm:/storm:/; s/check = [^,]*,//' | sort | md5sum)"
expect_match "names" "$(babeltrace recovered | grep ouro:thread | head -1)" 'name = "storm"'
ouro recover -o "$folder/by-path" "$disk/session-always"
expect_equal "by its path" "$(count by-path 'storm:(number|text)')" 4000

# ---- a sub-buffer that never came to the disk: what was in it is counted, the rest is there
size=$(stat -c %s "$disk/session-always")
dd if=/dev/zero of="$disk/session-always" bs=4096 seek=$((size / 4096 / 2)) count=$((size / 4096 / 2)) conv=notrunc status=none
status=0
"$OURO_BIN" recover -o "$folder/torn" "$disk/session-always" 2>"$folder/said" || status=$?
[[ $status -le 1 ]] || fail "status $status: $(cat "$folder/said")"
printf 'no session' >"$disk/session-none"
refused 1 'session .*session-none.*its header makes no sense' recover -o "$folder/none" "$disk/session-none"
refused 1 'none of these sessions is in' recover --backing "$disk" nobody
rm "$disk"/session-*
ouro recover --backing "$disk"
expect_match "an empty folder" "$(cat "$folder/said")" 'there is nothing to recover'

# ---- stop removes both; a link that leads nowhere is no session, and in nobody's way
ouro record --flight --all --backing "$disk"
ouro stop flight
[[ ! -e $disk/session-flight && ! -L $OURO_RUNTIME_DIR/session-flight ]] || fail "something stays"
ouro record --flight --all --backing "$disk"
rm "$disk/session-flight"
ouro stop flight
[[ ! -L $OURO_RUNTIME_DIR/session-flight ]] || fail "the link stays"

# ---- what is no session is not removed by the link that leads to it
printf secret >"$disk/session-flight"
ln -s "$disk/session-flight" "$OURO_RUNTIME_DIR/session-flight"
"$OURO_BIN" stop flight 2>/dev/null || true
expect_equal "what a link leads to" "$(cat "$disk/session-flight")" secret
