# A thread's name in a record is at most 100 ms old, however often events come, and the pid is that of the process that wrote it: in a
# loop, in a handler that interrupts it, and in forked children.
source "$OURO_SOURCE/tests/e2e/lib.sh"

record trace --context pid,thread --buffer-size 8M -- "$programs/fresh"
expect_equal "loss" "$(lost trace)" 0

# Each event as `kind pid name age | pid thread`: its fields, then its contexts.
babeltrace trace |
  sed -nE 's/.* fresh:(\w+): .*\{ tid = [0-9]+, pid = ([0-9]+), thread = "([^"]*)" \}, \{ .*pid = ([0-9]+), name = ([0-9]+), age_ms = ([0-9]+) \}$/\1 \4 \5 \6 \2 \3/p' >"$folder/events"
for kind in number text handler; do
  (($(grep -c "^$kind " "$folder/events") > 1000)) || fail "too few events fresh:$kind: $(cut -d' ' -f1 "$folder/events" | sort | uniq -c)"
done

# 30 ms: by how much this machine may keep a thread waiting between an event's fields and its contexts.
awk '
  function name_of(i) { return substr("abcdefghijk", 1, i * 5 % 11) i }
  $2 != $5 { print "pid: " $0; wrong = 1 }
  $6 == name_of($3) { next }
  $6 == name_of($3 - 1) && $4 <= 100 + 30 { old++; next }
  $3 == 1 && $4 <= 100 + 30 { next }
  { print "name: " $0; wrong = 1 }
  END { if (old == 0) print "no name is ever kept"; exit wrong || old == 0 }' "$folder/events" >"$folder/wrong" || fail "$(head -5 "$folder/wrong"), $(wc -l <"$folder/wrong") lines"
