# Every kind of value a field can have arrives as the program wrote it: what babeltrace2 shows is compared, character by
# character, with tests/e2e/fields.expected. ouro's own reader must find as many events.
source "$OURO_SOURCE/tests/e2e/lib.sh"

record trace -- "$programs/fields"
expect_equal "loss" "$(lost trace)" 0

# Times, CPUs and thread ids differ from run to run; long values are abbreviated.
babeltrace trace | grep ' fields:' |
  sed -E -e 's/^[^{]* (fields:[a-z0-9_]+): \{ cpu_id = [0-9]+ \}, \{ tid = [0-9]+ \}, /\1 /' \
         -e 's/"x{32}"/"x...32"/; s/"y{1000}"/"y...1000"/; s/"z{5000}"/"z...5000"/' \
         -e 's/(\[[0-9]+\] = 4000000000(, | )){1000}/1000 times 4000000000 /' >"$folder/seen"
diff "$OURO_SOURCE/tests/e2e/fields.expected" "$folder/seen" || fail "babeltrace2 shows other values"

printed=$(timeout 20 "$OURO_BIN" print "$folder/trace" 2>/dev/null | grep -c 'fields:')
expect_equal "events that ouro print shows" "$printed" "$(wc -l <"$folder/seen")"
