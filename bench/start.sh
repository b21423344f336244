#!/usr/bin/env bash
# What linking Ouro costs a program at its start, when nobody traces it: the same program of 50 events with and without
# (-DOURO_OFF), started in turns.
#
#   bench/start.sh BUILD_FOLDER [ROUNDS]
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
build=${1:?usage: bench/start.sh BUILD_FOLDER [ROUNDS]}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{
  echo '#include <ouro/trace.hpp>'
  echo 'int main(int argc, char**) {'
  for i in $(seq 50); do echo "  OURO_EVENT(\"start:event$i\", \"argc\", argc, \"text\", \"some text\");"; done
  echo '}'
} >"$work/main.cpp"
"${CXX:-g++}" -std=c++20 -O2 -I"$source/include" "$work/main.cpp" "$build/libouro-trace.a" -o "$work/linked"
"${CXX:-g++}" -std=c++20 -O2 -I"$source/include" -DOURO_OFF "$work/main.cpp" -o "$work/without"
"$build/bench/spawn" "${2:-1000}" "$work/without" "$work/linked"
