# With a kernel that has restartable sequences, the same tests go by way of the sections, and each instruction of these is where
# a writer is interrupted. Behind aarch64.sh, which builds them.
set -euo pipefail
: "${OURO_SOURCE:?the source tree}"
if [[ -n ${OURO_SANITIZE-} || $(uname -m) != x86_64 ]]; then
  echo "SKIPPED: cross-built from ordinary builds on x86-64 only"
  exit 0
fi
status=0
OURO_VM_TIMEOUT=300 "$OURO_SOURCE/tools/arm64-vm" | tee "$OURO_SOURCE/build/aarch64/vm.log" || status=$?
if ((status == 69)); then
  echo "SKIPPED: Debian's packages for arm64 cannot be fetched"
  exit 0
fi
((status == 0)) || exit "$status"
# Nothing of it may have gone the other way.
grep -q '^== race_aborts' "$OURO_SOURCE/build/aarch64/vm.log"
if grep -qE 'no rseq|no inline sections|no restartable' "$OURO_SOURCE/build/aarch64/vm.log"; then
  echo "FAILED: the virtual machine has no restartable sequences" >&2
  exit 1
fi
