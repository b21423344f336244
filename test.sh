#!/usr/bin/env bash
# Installs what is missing, builds Ouro and passes its tests:
#
#   release   g++        everything built, every test run
#   dev       clang-14   unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
#   clang     clang-14   as release: unit tests of what is linked into traced programs; with --full, all of them
#   tsan      g++        the ring's unit tests under ThreadSanitizer; with --full only
#
# Warnings are errors in all of them.
#
#   ./test.sh            under 25 minutes on two cores
#   ./test.sh --full     with tsan, with everything built by clang, and with what is cross-built for aarch64
#   ./test.sh --quick    release only
#   ./test.sh --help
#
# The last lines are ctest's summary of the release build. Status 0: everything passed.
set -euo pipefail
cd "$(dirname "$0")"

quick=false full=false
case ${1-} in
  '') ;;
  --quick) quick=true ;;
  --full) full=true ;;
  --help) sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"; exit ;;
  *) echo "test.sh: error: argument is '$1', want --quick, --full or --help" >&2; exit 2 ;;
esac

jobs=$(nproc)
failed=()

say() { printf '\n== %s\n' "$*"; }

build() {  # build PRESET [TARGET...]
  local preset=$1
  shift
  say "build: $preset"
  cmake --preset "$preset" >/dev/null
  cmake --build "build/$preset" -j"$jobs" ${*:+--target "$@"}
}

run_tests() {  # run_tests PRESET [CTEST OPTION...]
  local preset=$1
  shift
  say "test: $preset"
  ctest --test-dir "build/$preset" -j"$jobs" --output-on-failure "$@" || failed+=("$preset")
}

run_program() {  # run_program PRESET TEST: all of it in one process, for the start of one costs more than most tests
  say "test: $1 $2"
  timeout 600 "build/$1/tests/$2" --gtest_brief=1 || failed+=("$1 $2")
}

tools/install-deps

if ! $quick; then
  build dev unit_tests
  run_tests dev -L unit --no-tests=error
  if $full; then
    build clang
    run_tests clang -L unit --no-tests=error
    build tsan test_ring
    run_program tsan test_ring
  else
    build clang library_tests
    for layer in base clock ring trace; do run_program clang "test_$layer"; done
  fi
fi
build release
if $full; then run_tests release --no-tests=error; else run_tests release --no-tests=error -E '^house: aarch64'; fi

if ((${#failed[@]})); then
  echo "test.sh: failed: ${failed[*]}" >&2
  exit 1
fi
