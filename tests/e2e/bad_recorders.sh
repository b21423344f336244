# Recorders that hang, die or lie, and what stands in a program's folder before it starts: the program runs as if there was nothing.
source "$OURO_SOURCE/tests/e2e/lib.sh"
mkdir -m 700 "$OURO_RUNTIME_DIR"

tried() { od -An -t u8 -j 64 -N 8 "$folder/books" | tr -d ' '; }
has_tried_more_than() { [[ $(tried) -gt $1 ]]; }
goes_on() { wait_for 20 has_tried_more_than "$(($(tried) + 1000))"; }
is_on() { [[ $("$OURO_BIN" list --json "$program" | grep -c '"enabled": true') == 2 ]]; }

"$programs/storm" "$folder/books" threads=2 events=0 text=100 >"$folder/out" 2>&1 &
program=$!
cleanup+=("kill -9 $program 2>/dev/null")
wait_for 20 test -s "$folder/books"

# ---- stuck: what does not fit is lost and counted, and nobody waits
"$OURO_BIN" record -o "$folder/stuck" -p "$program" --name stuck --buffer-size 64K --for 60s 2>"$folder/stuck.summary" &
recorder=$!
cleanup+=("kill -9 $recorder 2>/dev/null")
wait_for 20 is_on
kill -STOP $recorder
goes_on
goes_on

# ---- its session's file is gone, and another has its name: what is mapped stays
mv "$OURO_RUNTIME_DIR/session-stuck" "$folder/moved"
head -c 65536 /dev/urandom >"$OURO_RUNTIME_DIR/session-stuck"
goes_on
rm "$OURO_RUNTIME_DIR/session-stuck"
kill -CONT $recorder
kill -INT $recorder
wait $recorder || true
[[ $(lost stuck) -gt 0 ]] || fail "nothing was lost: $(cat "$folder/stuck.summary")"
goes_on
kill -9 "$program"

# ---- sessions that lie about themselves
"$OURO_BIN" record -o "$folder/model" --name model --buffer-size 64K --all --for 60s 2>/dev/null &
recorder=$!
cleanup+=("kill -9 $recorder 2>/dev/null")
wait_for 20 test -s "$OURO_RUNTIME_DIR/everyone"
copy=$OURO_RUNTIME_DIR/session-copy
cp --sparse=always "$OURO_RUNTIME_DIR/session-model" "$copy"
kill -9 $recorder
wait $recorder 2>/dev/null || true
rm "$OURO_RUNTIME_DIR"/everyone "$OURO_RUNTIME_DIR"/session-model
head -c 160 "$copy" >"$folder/header"
runs() { timeout 20 env OURO_SESSION=session-copy "$programs/basic" 20 >/dev/null || fail "status $? with $1"; }
runs "a good one"
for value in '\377\377\377\377\377\377\377\377' '\10\20\0\0\0\0\0\0'; do
  for ((at = 8; at < 160; at += 8)); do
    printf "$value" | dd of="$copy" bs=8 seek=$((at / 8)) conv=notrunc status=none
    runs "$value at $at"
    dd if="$folder/header" of="$copy" conv=notrunc status=none
  done
done
for size in 0 1 4096 100000; do
  truncate -s $size "$copy"
  runs "$size bytes of it"
done
rm "$copy"

# ---- what stands in the way as a program starts
for kind in mkfifo mkdir 'ln -s /etc/passwd' 'ln -s nowhere'; do
  $kind "$OURO_RUNTIME_DIR/session-copy"
  $kind "$OURO_RUNTIME_DIR/everyone"
  timeout 20 env OURO_SESSION=session-copy sh -c "$kind"' "$OURO_RUNTIME_DIR/$$.0"; exec "$0" 200' "$programs/basic" >/dev/null || fail "status $? with $kind"
  rm -rf "$OURO_RUNTIME_DIR"/*
done
[[ -s /etc/passwd ]] || fail "where is it?"
for name in .. . ../../etc/passwd session- 'session-../x'; do
  timeout 20 env OURO_SESSION="$name" "$programs/basic" 10 >/dev/null || fail "status $? with the name $name"
done
expect_equal "files that are left" "$(ls "$OURO_RUNTIME_DIR")" ""
