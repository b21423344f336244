# `ouro print` of what programs recorded: to the byte what babeltrace2 writes, as JSON, in parts, chosen by filters.
source "$OURO_SOURCE/tests/e2e/lib.sh"

for program in fields contexts nested; do record $program -- "$programs/$program" >/dev/null; done
python3 "$OURO_SOURCE/tests/ctf/random_traces.py" "$OURO_BIN" --traces "$folder"/{fields,contexts,nested} || fail "babeltrace2 writes something else"
# With colours only if asked for; no terminal is here.
print() { "$OURO_BIN" print "$@" 2>"$folder/said" || fail "ouro print $*: status $?: $(cat "$folder/said")"; }
[[ $(print "$folder/fields") != *$'\e'* ]] || fail "colours without a terminal"

all=$(print "$folder/nested" | wc -l)
expect_equal "lines of the tail" "$(print "$folder/nested" --tail 7)" "$(print "$folder/nested" | tail -7 | sed -E '1s/\+[0-9.]+ /+0.000000000 /')"
first=$(print "$folder/nested" --format json | head -1 | sed -E 's/.*"time":([0-9]+)([0-9]{9}).*/\1.\2/')
expect_equal "events from the first one on" "$(print "$folder/nested" --begin "$first" | wc -l)" "$all"
(($(print "$folder/nested" --begin +5ms | wc -l) + $(print "$folder/nested" --end +4999999ns | wc -l) == all)) || fail "two parts are not the whole"

# Several at once are merged by time.
expect_equal "events of two traces" "$(print "$folder/fields" "$folder/contexts" | wc -l)" "$(($(print "$folder/fields" | wc -l) + $(print "$folder/contexts" | wc -l)))"
print "$folder/fields" "$folder/contexts" --format json | sed -E 's/.*"time":([0-9]+).*/\1/' | sort -nc || fail "not in order of time"

python3 - "$folder" <(print "$folder/nested" --format json) <(print "$folder/nested" --format csv) <<'END'
import csv, json, sys
events = [json.loads(line) for line in open(sys.argv[2])]
rows = list(csv.DictReader(open(sys.argv[3], newline="")))
assert len(events) == len(rows) > 100, (len(events), len(rows))
for event, row in zip(events, rows):
    assert row["event"] == event["event"] and int(row["tid"]) == event["tid"], (event, row)
    for name, value in event["fields"].items():
        assert row[name] == str(value) or json.loads(row[name]) == value, (name, event, row)
END

tid=$(print "$folder/nested" --format json | sed -E 's/.*"tid":([0-9]+).*/\1/' | sort | uniq -c | sort -rn | awk 'NR == 1 {print $2}')
expect_equal "events of thread $tid" "$(print "$folder/nested" -f "tid == $tid" | wc -l)" "$(print "$folder/nested" --format json | grep -c "\"tid\":$tid,")"
"$OURO_BIN" print "$folder/nested" -f 'nonsense > 1' 2>"$folder/said" && fail "a filter that fits nothing passes"
expect_match "what is said of it" "$(cat "$folder/said")" "'nonsense' is no field of .*\^.*fields: "
