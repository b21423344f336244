# valgrind and qemu-user have no restartable sequences; what runs in them is recorded all the same.
source "$OURO_SOURCE/tests/e2e/lib.sh"
[[ -z ${OURO_SANITIZE-} ]] || skip "sanitizers and emulators do not mix"

if command -v valgrind >/dev/null; then
  record valgrind -- valgrind --quiet --error-exitcode=9 "$programs/basic" 200 2>&1
  expect_equal "points under valgrind" "$(count valgrind basic:point)" 200
  expect_equal "loss under valgrind" "$(lost valgrind)" 0
fi
if command -v qemu-x86_64 >/dev/null; then
  record qemu -- qemu-x86_64 "$programs/basic" 200
  expect_equal "points under qemu-user" "$(count qemu basic:point)" 200
  expect_equal "loss under qemu-user" "$(lost qemu)" 0
fi
