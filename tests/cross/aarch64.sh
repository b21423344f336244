# What is aarch64's own, built with Debian's cross compiler: the sections' code is looked at, and under qemu-user, which has no
# restartable sequences, everything goes by way of the shared rings.
set -euo pipefail
: "${OURO_SOURCE:?the source tree}"
if [[ -n ${OURO_SANITIZE-} || $(uname -m) != x86_64 ]]; then
  echo "SKIPPED: cross-built from ordinary builds on x86-64 only"
  exit 0
fi
cd "$OURO_SOURCE"

tests=(test_base test_clock test_ring test_trace race_sections race_aborts race_aborts_clients)
cmake --preset aarch64 >/dev/null
cmake --build build/aarch64 -j2 --target "${tests[@]}"

run() {  # run TEST [OPTION...]
  echo "== $1"
  timeout 120 qemu-aarch64 -L /usr/aarch64-linux-gnu "build/aarch64/tests/$1" --gtest_brief=1 "${@:2}"
}
run test_base
run test_clock
# qemu-user ignores madvise (nothing is reserved or given back when asked), and its counter stands still for longer than a write takes,
# so that a thread's records in two rings may have one stamp.
run test_ring --gtest_filter=-Memory.IsReservedAsACpuFirstWritesOrAtOnceOnRequest:Resize/*.GivesBackTheOldMemoryOnceItIsRead:ResizeWithAGroup.WhatSomebodyHoldsStaysUntilItIsGivenBack:SeveralChannels.WrittenByManyThreadsComeInTheOrderOfTheirStamps
run test_trace
run race_sections --gtest_brief=0
