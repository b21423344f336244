"""LTTng for tests: a session daemon, the one that runs already or one of our own that ends with the test, and the program bench/lttng/every.cpp."""
import os
import shutil
import signal
import subprocess
import time

BENCH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench", "lttng")


def build_every(folder):
    """None where lttng-tools or lttng-ust are not installed."""
    compiler = os.environ.get("OURO_CXX", "c++")
    if not shutil.which("lttng") or not shutil.which("lttng-sessiond"):
        return None
    if subprocess.run([compiler, "-E", "-x", "c++", "-include", "lttng/tracepoint.h", "/dev/null"], capture_output=True).returncode != 0:
        return None
    program = os.path.join(folder, "every")
    subprocess.run([compiler, "-std=c++20", "-w", "-I" + BENCH, os.path.join(BENCH, "every.cpp"), "-llttng-ust", "-ldl", "-o", program], check=True)
    return program


class Daemon:
    def __init__(self, folder):
        self.pid_file, self.pid = os.path.join(folder, "sessiond.pid"), None

    def __enter__(self):
        if subprocess.run(["lttng", "list"], capture_output=True, timeout=30).returncode != 0:
            subprocess.run(["lttng-sessiond", "--daemonize", "--no-kernel", "--pidfile", self.pid_file], check=True, timeout=30, capture_output=True)
            self.pid = int(open(self.pid_file).read())

    def __exit__(self, *_):
        if self.pid is None:
            return
        os.kill(self.pid, signal.SIGTERM)
        end = time.monotonic() + 10  # whoever is next starts one, or finds none
        while time.monotonic() < end:
            try:
                os.readlink(f"/proc/{self.pid}/exe")
                time.sleep(0.02)
            except OSError:
                return
