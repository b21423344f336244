# <ouro/trace.hpp> compiles without a warning in programs that are stricter than we are, without exceptions and RTTI,
# position-independent without optimisation, under sanitizers, and switched off: with both compilers.
source "$OURO_SOURCE/tests/e2e/lib.sh"

strict=(-Wall -Wextra -Wconversion -Wshadow -Wpedantic -Werror)
compilers=("$OURO_CXX")
for other in g++ clang++-14; do
  [[ $(command -v $other) == "$(command -v "$OURO_CXX")" ]] || compilers+=($other)
done

compile() {  # compile COMPILER FLAG...
  timeout 100 "$1" -std=c++20 "${@:2}" -I"$OURO_SOURCE/include" "$OURO_SOURCE/tests/programs/fields.cpp" -o "$folder/out" ||
    fail "${*:1} does not compile fields.cpp"
}
for compiler in "${compilers[@]}"; do
  command -v "$compiler" >/dev/null || continue
  compile "$compiler" "${strict[@]}" -c -O0 -fPIC -fno-exceptions -fno-rtti
  compile "$compiler" "${strict[@]}" -c -O1 -fsanitize=address,undefined
  compile "$compiler" "${strict[@]}" -c -O0 -DOURO_OFF
  ! nm "$folder/out" | grep -q 'ouro_\(module\|trace\|thread\)' || fail "$compiler: something of ouro is left with OURO_OFF"
done
