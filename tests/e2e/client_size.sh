# A client of the ring library, with a policy that no other has, adds its inlined fast path and little else to a program:
# at most 600 bytes of text.
source "$OURO_SOURCE/tests/e2e/lib.sh"

text_of() {  # text_of CLIENTS
  local program=$folder/clients_$1
  "$OURO_CXX" -std=c++20 -O2 -DNDEBUG "-DCLIENTS=$1" -I"$OURO_SOURCE/include" "$OURO_SOURCE/tests/size/clients.cpp" \
    "$OURO_BUILD/libouro-ring.a" -o "$program"
  "$program" || fail "a program with $1 clients fails"
  size -A "$program" | awk '$1 == ".text" || $1 == "__rseq_failure" { sum += $2 } END { print sum }'
}
two=$(text_of 2) ten=$(text_of 10)
added=$(((ten - two) / 8))
echo "text bytes per client: $added"
((added > 100)) || fail "$added bytes for a client: what was measured?"
((added <= 600)) || fail "a client adds $added bytes of text, want 600 at most"
