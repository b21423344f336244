# What a program forks, spawns and executes is recorded with it, daemons included; recording ends with the last of them.
source "$OURO_SOURCE/tests/e2e/lib.sh"

record trace -- "$programs/processes" "$programs/basic"
expect_equal "loss" "$(lost trace)" 0

babeltrace trace >"$folder/text"
grep -oE 'who = "[a-z ]+"' "$folder/text" | sort | uniq -c | sed -E 's/^ +//' >"$folder/seen"
diff - "$folder/seen" <<END || fail "events of children are missing or too many"
200 who = "among threads"
10 who = "before exec"
10 who = "child"
10 who = "daemon"
10 who = "grandchild"
10 who = "parent"
END
expect_equal "events of executed programs" "$(grep -c ' basic:point:' "$folder/text")" 150

# The thread id in front is the writer's own, also right after a fork.
expect_equal "events with a foreign thread id" \
  "$(sed -nE 's/.* processes:child: .*\{ tid = ([0-9]+) \}.* pid = ([0-9]+) \}/\1 \2/p' "$folder/text" | awk '$1 != $2' | wc -l)" 0
# parent, child, grandchild, 20 among threads, one before exec, the daemon
expect_equal "processes with such events" \
  "$(sed -nE 's/.* processes:child: .* pid = ([0-9]+) \}/\1/p' "$folder/text" | sort -u | wc -l)" 25
