# Where there are no restartable sequences, or no TSC to trust, the same events arrive: through the shared rings.
source "$OURO_SOURCE/tests/e2e/lib.sh"

expect_all() {  # expect_all TRACE TURNS: what program basic writes
  expect_equal "loss of $1" "$(lost "$1")" 0
  expect_equal "points of $1" "$(count "$1" basic:point)" "$2"
  expect_equal "events of $1" "$(recorded "$1")" "$(($2 * 4))"
}
rings_of() { (cd "$folder/$1" && ls | grep -oE '^stream_[a-z]+' | sort -u | tr '\n' ' '); }

record usual -- "$programs/basic" 1000
expect_all usual 1000
expect_equal "rings" "$(rings_of usual)" "stream_cpu "

GLIBC_TUNABLES=glibc.pthread.rseq=0 record without -- "$programs/basic" 1000
expect_all without 1000
expect_equal "rings without rseq" "$(rings_of without)" "stream_shared "

record monotonic --clock monotonic -- "$programs/basic" 1000
expect_all monotonic 1000

record mixed -- sh -c '"$1" 700 & GLIBC_TUNABLES=glibc.pthread.rseq=0 "$1" 300 & wait' sh "$programs/basic"
expect_all mixed 1000
expect_equal "rings of both kinds of process" "$(rings_of mixed)" "stream_cpu stream_shared "
streams() { sed -nE '1s/.* ([0-9]+) streams.*/\1/p'; }
expect_equal "streams that stats counts" "$("$OURO_BIN" stats "$folder/mixed" | streams)" "$(streams <"$folder/mixed.summary")"

GLIBC_TUNABLES=glibc.pthread.rseq=0 record overwrite --overwrite -- "$programs/basic" 1000
expect_all overwrite 1000

if [[ -x $programs/basic_static ]]; then
  record static -- "$programs/basic_static" 1000
  expect_all static 1000
fi
