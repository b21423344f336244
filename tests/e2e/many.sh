# A program has more events than its filter words can tell apart: what is asked for comes, and nothing else.
source "$OURO_SOURCE/tests/e2e/lib.sh"

seen() { babeltrace "$1" | grep -oE 'many:e[0-9]+: .*number = [0-9]+, turn = [0-2]' | sed -E 's/^many:e([0-9]+): .*number = ([0-9]+), turn = (.)/\1 \2 \3/'; }
wanted() { for turn in 0 1 2; do seq 100 699 | grep -E "$1" | sed "s/.*/& & $turn/"; done; }

record all -- "$programs/many"
diff <(wanted .) <(seen all) || fail "not what the program did"
record some -e 'many:e?[3-5]?' -- "$programs/many"
diff <(wanted '^.[3-5].$') <(seen some) || fail "not what was asked for"
expect_equal "loss" "$(lost all) $(lost some)" "0 0"
