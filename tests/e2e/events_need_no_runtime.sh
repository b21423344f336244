# Events of all kinds add nothing to what a program needs to run: their code asks for no symbol of the C++ runtime, which takes half a
# millisecond and a hundred KiB to load.
source "$OURO_SOURCE/tests/e2e/lib.sh"

cat >"$folder/events.cpp" <<'END'
#include <cstdint>
#include <ouro/trace.hpp>
void state(std::uint32_t a, double b, const char* text, const int (&many)[9]) {
  OURO_EVENT("needs:nothing");
  OURO_EVENT("needs:one", "a", a);
  OURO_EVENT("needs:four", "a", a, "b", b, "c", a, "d", b);
  OURO_EVENT("needs:six", "a", a, "b", b, "c", a, "d", b, "e", a, "f", a);
  OURO_EVENT("needs:text", "a", a, "text", text);
  OURO_EVENT("needs:texts", "one", text, "two", text, "many", many);
  OURO_SPAN("needs:span", "a", a);
}
END
for options in -O2 -O1 -O0; do
  "$OURO_CXX" -std=c++20 $options -fPIE -I"$OURO_SOURCE/include" -c "$folder/events.cpp" -o "$folder/events.o"
  wanted=$(nm --undefined-only "$folder/events.o" | awk '{ print $2 }' | grep -E '^(_Zn|_Zd|_ZSt|_ZNSt|__cxa_|__gxx_|_Unwind_)' || true)
  # clang has its personality in whatever is noexcept and calls a function that may throw.
  [[ $("$OURO_CXX" --version) != *clang* ]] || wanted=$(grep -v __gxx_personality <<<"$wanted" || true)
  expect_equal "what events want of the C++ runtime with $options" "$wanted" ""
done
