# A program that states events runs as if it did not, traced or not: no thread, descriptor, signal or output of the
# tracer's, errno untouched; and without a runtime folder it can use, it simply is not traced.
source "$OURO_SOURCE/tests/e2e/lib.sh"

expect_unchanged() {  # expect_unchanged WHEN COMMAND...
  local when=$1 said
  shift
  said=$(timeout 20 "$@" 2>&1 0</dev/null) || fail "$when: status $?: $said"
  expect_equal "output $when" "$said" "unchanged"
}
program=$programs/sanctity
for fd in {3..254}; do eval "exec $fd>&-"; done  # what the test runner left open is not the tracer's

expect_unchanged "untraced" "$program"
expect_equal "what it leaves behind" "$(ls -A "$OURO_RUNTIME_DIR")" ""

timeout 60 "$OURO_BIN" record -o "$folder/trace" --buffer-size 32M -- "$program" >"$folder/said" 2>"$folder/summary" </dev/null || fail "traced: $(cat "$folder/summary")"
expect_equal "output traced" "$(cat "$folder/said")" "unchanged"
timeout 60 "$OURO_BIN" record -o "$folder/lossy" --buffer-size 8K --subbuf-count 2 -- "$program" >"$folder/said" 2>&1 </dev/null || fail "traced, lossy: $(cat "$folder/said")"

file=$folder/a-file
: >"$file"
for runtime in "$folder/no/such/folder" "$file" "$file/below" relative/folder "$folder/$(printf 'x%.0s' {1..300})" /proc /dev/null; do
  expect_unchanged "with OURO_RUNTIME_DIR=$runtime" env OURO_RUNTIME_DIR="$runtime" "$program"
done
mkdir -m 0777 "$folder/open"
expect_unchanged "in a folder that others may write to" env OURO_RUNTIME_DIR="$folder/open" "$program"
expect_equal "what it puts there" "$(ls -A "$folder/open")" ""
ln -s "$OURO_RUNTIME_DIR" "$folder/link"
expect_unchanged "in a folder that is a link" env OURO_RUNTIME_DIR="$folder/link" "$program"

for session in nothing-there ../outside "$(printf 'x%.0s' {1..300})" ''; do
  expect_unchanged "with OURO_SESSION=$session" env OURO_SESSION="$session" "$program"
done
printf 'session1' >"$OURO_RUNTIME_DIR/session-short"
truncate -s 1M "$OURO_RUNTIME_DIR/session-zeros"
head -c 1M /dev/urandom >"$OURO_RUNTIME_DIR/session-garbage"
mkfifo "$OURO_RUNTIME_DIR/session-fifo"
for session in session-short session-zeros session-garbage session-fifo; do
  expect_unchanged "with OURO_SESSION=$session" env OURO_SESSION="$session" "$program"
done

if ((EUID == 0)); then
  mkdir -m 0700 "$folder/foreign"
  chown 1:1 "$folder/foreign"
  expect_unchanged "in a folder of somebody else's" env OURO_RUNTIME_DIR="$folder/foreign" "$program"
  chmod 0755 "$folder"
  chmod 0700 "$folder/foreign"
  if command -v setpriv >/dev/null && [[ -r $program ]] && setpriv --reuid=1 --regid=1 --clear-groups test -x "$program"; then
    mkdir -m 0500 "$folder/unwritable"
    chown 1:1 "$folder/unwritable"
    expect_unchanged "in a folder it may not write to" \
      setpriv --reuid=1 --regid=1 --clear-groups env OURO_RUNTIME_DIR="$folder/unwritable" "$program"
  fi
fi
