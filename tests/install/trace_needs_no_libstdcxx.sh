# A traced program may be written in C: libouro-trace must link, whole, without libstdc++ and libgcc_s, and ask for nothing of the
# C++ runtime. Nor may its archive define a symbol that another library could take for its own.
set -euo pipefail

archive=$OURO_TRACE_LIBRARY
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Memory from new, std:: out of line, exceptions, guards, RTTI. Templates of std:: that the archive brings along
# are its own.
runtime='^(_Zn[wa]|_Zd[la]|_ZNK?St|_ZSt|_ZT[ISV]N?St|__cxa_|__gxx_|_ZTVN10__cxxabiv1|_Unwind_)'
allowed='^__cxa_(atexit|finalize)$'  # of the C library
nm=(nm --undefined-only)
[[ $OURO_SHARED == 1 ]] && nm+=(--dynamic)
wanted=$("${nm[@]}" "$archive" | awk 'NF == 2 { print $2 }' | sed 's/@.*//' | sort -u |
         grep -E "$runtime" | grep -vE "$allowed" || true)
if [[ $OURO_SHARED != 1 && -n $wanted ]]; then
  defined=$(nm --defined-only "$archive" | awk 'NF == 3 { print $3 }' | sort -u)
  wanted=$(comm -23 <(echo "$wanted") <(echo "$defined"))
fi
if [[ -n $wanted ]]; then
  echo "libouro-trace asks for symbols of the C++ runtime, want none:"
  echo "$wanted" | c++filt | sed 's/^/  /'
  exit 1
fi

if [[ $OURO_SHARED != 1 ]]; then
  foreign=$(nm --defined-only --extern-only "$archive" | awk 'NF == 3 && $2 != "W" && $2 != "V" { print $3 }' |
            sort -u | grep -vE '^(_ZN?K?4ouro|_ZGVN4ouro|_ZT[ISV]N4ouro|ouro_|__odr_asan|_ZZN4ouro)' || true)
  if [[ -n $foreign ]]; then
    echo "libouro-trace defines symbols outside namespace ouro, want none:"
    echo "$foreign" | c++filt | sed 's/^/  /'
    exit 1
  fi
fi

echo 'int main(void) { return 0; }' > "$folder/program.c"
flags=(-Wall -Werror)
[[ -n $OURO_SANITIZE ]] && flags+=("-fsanitize=$OURO_SANITIZE")
"$OURO_CC" "${flags[@]}" "$folder/program.c" -o "$folder/program" -Wl,--whole-archive "$archive" -Wl,--no-whole-archive
OURO_RUNTIME_DIR=$folder/run LD_LIBRARY_PATH=$(dirname "$archive") "$folder/program"

# libgcc_s, too, takes as long to load as the tracer to start; a C++ compiler takes it from there where a C compiler links what it needs.
cp "$folder/program.c" "$folder/program.cpp"
"${OURO_CXX:-c++}" "${flags[@]}" "$folder/program.cpp" -o "$folder/program" -Wl,--whole-archive "$archive" -Wl,--no-whole-archive -Wl,--as-needed
if readelf --dynamic "$folder/program" | grep -E 'NEEDED.*(libstdc|libgcc_s)' && [[ -z $OURO_SANITIZE ]]; then
  echo "a program with libouro-trace needs a library that it did not need without"
  exit 1
fi
