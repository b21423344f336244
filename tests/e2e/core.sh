# What a program did, from its core dump alone: no runtime folder is left, no session, no program.
source "$OURO_SOURCE/tests/e2e/lib.sh"

ouro() { timeout 60 "$OURO_BIN" "$@" 2>"$folder/said" || fail "ouro $*: status $?: $(cat "$folder/said")"; }
babeltrace() { timeout 60 babeltrace2 "$folder/$1" 2>"$folder/babeltrace.stderr" || fail "babeltrace2 refuses $1"; }  # it warns of what was overwritten
newest() { babeltrace "$1" | sed -nE 's/.*writer = 0, number = ([0-9]+).*/\1/p' | sort -n | tail -1; }
tried() { od -A n -t u8 -j 64 -N 8 "$folder/books" | tr -d ' '; }
start() {  # start FILTER: storm under a flight recorder, in a folder of its own; its number is in $program
  rm -rf "$folder/cwd" "$folder/books"
  mkdir "$folder/cwd"
  ouro record --flight --all --buffer-size 256K
  (cd "$folder/cwd" && ulimit -c unlimited && echo "$1" >/proc/self/coredump_filter && echo "$1" >"/proc/$BASHPID/coredump_filter" &&
    exec "$programs/storm" "$folder/books" threads=1 events=0 pause=1000 text=10) >/dev/null &
  program=$!
  cleanup+=("kill -9 $program 2>/dev/null")
  wait_for 20 test -s "$folder/books"
  sleep 0.3
}
die() {  # die CORE: the core dump goes there; nothing else stays. False: no core comes here
  kill -SEGV "$program"
  wait "$program" 2>/dev/null || true
  ouro stop flight
  rm -rf "$OURO_RUNTIME_DIR"
  local core
  core=$(find "$folder/cwd" -name 'core*' | head -1)
  [[ -n $core && -s $core ]] && mv "$core" "$1"
}

# ---- killed by SIGSEGV: all up to that
(ulimit -c unlimited) 2>/dev/null || skip "this user may not make core dumps (ulimit -Hc is $(ulimit -Hc))"
start 0x3b
die "$folder/core" || skip "core dumps do not go to the program's folder: kernel.core_pattern is $(cat /proc/sys/kernel/core_pattern)"
ouro recover -o "$folder/a" --core "$folder/core"
number=$(newest a)
[[ $number -ge $(($(tried) - 2)) && $number -le $(tried) ]] || fail "the last is $number, the program's books say $(tried)"
expect_match "what is said" "$(cat "$folder/said")" 'recovered session flight: .*recorded [0-9]+ events, 0 lost'
expect_match "names" "$(babeltrace a | grep ouro:thread | head -1)" 'name = "storm"'
ouro recover -o "$folder/b" --core "$folder/core" flight
expect_equal "by its name" "$(newest b)" "$number"

refused() {  # refused PATTERN OPTION...
  local pattern=$1 status=0 said
  shift
  said=$("$OURO_BIN" recover "$@" 2>&1) || status=$?
  expect_equal "status of ouro recover $*" "$status" 1
  expect_match "what ouro recover $* says" "$said" "$pattern"
}
refused 'has no session of these names' -o "$folder/c" --core "$folder/core" nobody
refused 'is an ELF file of type [23]' -o "$folder/c" --core "$programs/storm"
refused 'is no ELF file, want a core dump' -o "$folder/c" --core "$folder/said"
refused "core '/nowhere'" -o "$folder/c" --core /nowhere
refused 'no regular file' -o "$folder/c" --core /dev/null

# ---- cut short, and damaged: an answer each time, and no crash. What is there comes out
size=$(stat -c %s "$folder/core")
try() {  # try FILE
  local status=0
  rm -rf "$folder/t"
  timeout 60 "$OURO_BIN" recover -o "$folder/t" --core "$1" 2>"$folder/said" || status=$?
  [[ $status -le 1 ]] || fail "status $status: $(cat "$folder/said")"
  [[ ! -e $folder/t/metadata ]] || babeltrace t >/dev/null
  tried_status=$status
}
for part in 0 1 2 5 10 50 90 99; do
  head -c $((size * part / 100 + part)) "$folder/core" >"$folder/cut"
  try "$folder/cut"
  expect_equal "status of a core that was cut at $part %" "$tried_status" 1
done
RANDOM=$$
for ((turn = 0; turn < 12; ++turn)); do
  cp "$folder/core" "$folder/cut"
  for ((i = 0; i < 20; ++i)); do
    # Headers and notes, or anywhere.
    at=$((i % 2 ? (RANDOM * 32768 + RANDOM) % 16384 : (RANDOM * 32768 + RANDOM) % size))
    printf "\\x$(printf %02x $((RANDOM % 256)))" | dd of="$folder/cut" bs=1 seek=$at conv=notrunc status=none
  done
  try "$folder/cut"
done

# ---- a debugger's core of a program that lives
if command -v gcore >/dev/null; then
  start 0x3b
  if gcore -o "$folder/gdb" "$program" >/dev/null 2>&1; then
    ouro recover -o "$folder/d" --core "$folder/gdb.$program"
    [[ $(newest d) -gt 1000 ]] || fail "of a debugger's core: $(newest d)"
  fi
  die "$folder/core"
fi

# ---- where the kernel was not asked for the memory, that is said
start 0x33
die "$folder/core"
refused "session-flight: the core does not have its memory .hint: echo 0x3b >/proc/PID/coredump_filter" -o "$folder/e" --core "$folder/core"
