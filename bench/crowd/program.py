"""The program bench/crowd/crowd.cpp with one thread, for scripts: writes 10 million events a second when it is told, and measures each."""
import json
import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent.parent
CXX = os.environ.get("CXX", "g++")


def fail(text):
    sys.exit(f"{Path(sys.argv[0]).name}: error: {text}")


def run(*command, **more):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300, **more)
    if done.returncode != 0:
        fail(f"'{' '.join(map(str, command))}': status {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout + done.stderr


def compile_program(build, work):
    (work / "one.cpp").write_text("void state_one(unsigned) {}\n")
    run(CXX, "-O2", "-std=c++20", f"-I{SOURCE}/include", work / "one.cpp", SOURCE / "bench/crowd/crowd.cpp", build / "libouro-trace.a", "-pthread", "-o", work / "crowd")


class Program:
    def __init__(self, work, environment):
        self.process = subprocess.Popen([work / "crowd", "0"], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            fail("the program does not start")

    def write_for(self, seconds):
        self.process.stdin.write(f"{seconds * 1000:.0f}\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def quantile(seen, share):
    wanted, sum_ = share * sum(n for _, n in seen["buckets"]), 0
    for low, n in seen["buckets"]:
        sum_ += n
        if sum_ >= wanted:
            return low * seen["ns_per_tick"]
    return seen["buckets"][-1][0] * seen["ns_per_tick"]
