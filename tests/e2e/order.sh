# What babeltrace2 shows of threads, of signal handlers that interrupt them every 50 us and of forked children is whole,
# there once, and in the order in which each of them wrote it.
source "$OURO_SOURCE/tests/e2e/lib.sh"

record trace --buffer-size 64M -- "$programs/storm" "$folder/books" \
  threads=4 events=40000 timer=50 migrate=1000 forks=20000 long=97 text=7 >"$folder/tried"
babeltrace trace | awk '
  / storm:(number|text): / {
    if (!match($0, /writer = [0-9]+, number = [0-9]+/)) { print "no fields: " $0; exit 1 }
    split(substr($0, RSTART, RLENGTH), f, /[ ,]+/)
    if (f[6] < next_of[f[3]]) { print "writer " f[3] ": " f[6] " behind " next_of[f[3]] - 1; exit 1 }
    next_of[f[3]] = f[6] + 1; ++all
  }
  END { print all + 0 }' >"$folder/seen" || fail "$(tail -1 "$folder/seen")"
expect_equal "delivered + lost" "$(($(cat "$folder/seen") + $(lost trace)))" "$(cat "$folder/tried")"
(($(cat "$folder/tried") > 160000 + 8000)) || fail "no signal handler wrote anything"
