#!/usr/bin/env python3
"""The restartable sequences of what was built, as the kernel and the next writer will find them: read from the files, not from a test's own
memory as sections_test.cpp does.

    built_sections.py CXX FILE...      FILE: a program, a shared library, or a static one, which is linked whole

Of each descriptor in `__rseq_cs`: version and flags 0; the section in the text, the abort address in `__rseq_failure`, the signature before it; no call,
no system call, no locked instruction inside; jumps stay inside or lead to an exit that is listed. Status 1: not so.
"""
import os, re, struct, subprocess, sys, tempfile

SIGNATURE = 0x53053053
FORBIDDEN = {"call", "syscall", "sysenter", "int", "int3", "ret", "push", "pop", "lock", "hlt"}
DESCRIPTOR = struct.Struct("<IIQQQ")


def run(*command):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


class Elf:
    def __init__(self, path):
        self.path, self.data, self.sections, self.relocated = path, open(path, "rb").read(), {}, {}
        for line in run("readelf", "-SW", path).splitlines():
            m = re.match(r"\s*\[ *\d+\] (\S+) +\S+ +([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)", line)
            if m:
                self.sections[m[1]] = [int(n, 16) for n in m.groups()[1:]]  # address, offset, size
        for line in run("readelf", "-rW", path).splitlines():
            m = re.match(r"([0-9a-f]{16}) +\S+ +R_X86_64_RELATIVE +([0-9a-f]+)", line)
            if m:
                self.relocated[int(m[1], 16)] = int(m[2], 16)

    def u64(self, address, where):  # as the dynamic linker leaves it
        begin, offset, _ = self.sections[where]
        return self.relocated.get(address, struct.unpack_from("<Q", self.data, offset + address - begin)[0])

    def structs(self, where, size):
        begin, _, length = self.sections.get(where, (0, 0, 0))
        return range(begin, begin + length - size + 1, size)

    def code(self, begin, end):
        out = []
        for line in run("objdump", "-d", "--no-show-raw-insn", f"--start-address={begin:#x}", f"--stop-address={end:#x}", self.path).splitlines():
            m = re.match(r" +([0-9a-f]+):\t(\S+) *([^#]*)", line)
            if m:
                out.append((int(m[1], 16), m[2], m[3].strip()))
        return out


def look_at(elf, problems):
    text, _, text_size = elf.sections[".text"]
    aborts, aborts_offset, aborts_size = elf.sections.get("__rseq_failure", (0, 0, 0))
    exits = {}
    for at in elf.structs("__rseq_exit_point_array", 16):
        exits.setdefault(elf.u64(at, "__rseq_exit_point_array"), set()).add(elf.u64(at + 8, "__rseq_exit_point_array"))
    listed = {elf.u64(at, "__rseq_cs_ptr_array") for at in elf.structs("__rseq_cs_ptr_array", 8)}
    count = 0
    for at in elf.structs("__rseq_cs", 32):
        begin, offset, _ = elf.sections["__rseq_cs"]
        version, flags, _, length, _ = DESCRIPTOR.unpack_from(elf.data, offset + at - begin)
        start, abort = elf.u64(at + 8, "__rseq_cs"), elf.u64(at + 24, "__rseq_cs")
        if (version, flags, start, length, abort) == (0, 0, 0, 0, 0):
            continue  # filling between two that are aligned
        count += 1

        def want(right, what):
            if not right:
                problems.append(f"{elf.path}: section at {start:#x}: {what}")
        want(version == 0 and flags == 0, f"version {version}, flags {flags}, want 0 and 0")
        want(at % 32 == 0, "its descriptor is not on a multiple of 32")
        want(at in listed, "not in __rseq_cs_ptr_array")
        want(text <= start and start + length <= text + text_size, "not in the text")
        want(10 < length < 400, f"{length} bytes")
        want(aborts + 4 <= abort < aborts + aborts_size, f"its abort address {abort:#x} is not in __rseq_failure")
        signature = struct.unpack_from("<I", elf.data, max(aborts_offset + abort - 4 - aborts, 0))[0]
        want(signature == SIGNATURE, f"signature {signature:#x}, want {SIGNATURE:#x}")
        code = elf.code(start, start + length)
        want(code and code[0][0] == start, "it does not begin with an instruction")
        for address, name, operands in code:
            want(name not in FORBIDDEN, f"{name} {operands}")
            if name.startswith("j"):
                target = int(operands.split()[0], 16)
                want(start <= target <= start + length or target in exits.get(start, ()), f"{name} {operands} leads out, to no exit that is listed")
    return count


def main():
    cxx, files = sys.argv[1], sys.argv[2:]
    problems = []
    with tempfile.TemporaryDirectory(prefix="ouro-sections.") as folder:
        for path in files:
            whole = path
            if path.endswith(".a"):
                whole = os.path.join(folder, os.path.basename(path) + ".so")
                run(cxx, "-shared", "-o", whole, "-Wl,--whole-archive", path, "-Wl,--no-whole-archive")
            count = look_at(Elf(whole), problems)
            print(f"{os.path.basename(path)}: {count} sections")
            if count < 2:
                problems.append(f"{path}: {count} sections, want several")
    print(*problems, sep="\n")
    return 1 if problems else 0


sys.exit(main())
