# wrong_use.sh FILE: wrong use of <ouro/trace.hpp> is a compile error whose first line says so. The file's first line
# is "// ouro: " and words that this line must have.
set -euo pipefail

file=$1
wanted=$(sed -n '1s|^// ouro: ||p' "$file")
[[ -n $wanted ]] || { echo "$file: line 1 does not say what error is wanted"; exit 1; }

if seen=$("$OURO_CXX" -std=c++20 -fsyntax-only -I"$OURO_SOURCE/include" "$file" 2>&1); then
  echo "$file compiles, want an error: $wanted"
  exit 1
fi
first=$(grep -m 1 'error:' <<<"$seen" || true)
if [[ $first != *"ouro: "*"$wanted"* ]]; then
  printf 'first error: %s\nwant:        %s\nall of it:\n%s\n' "$first" "$wanted" "$seen"
  exit 1
fi
echo "$first"
