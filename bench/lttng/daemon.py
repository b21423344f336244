"""A session daemon of LTTng's, for benchmarks beside it."""
import os
import subprocess
import sys
import time
from pathlib import Path


def fail(text):
    sys.exit(f"{Path(sys.argv[0]).name}: error: {text}")


def run(*command, **more):
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=1800, **more)
    if done.returncode != 0:
        fail(f"'{' '.join(map(str, command))}': status {done.returncode}: {done.stderr.strip()[-600:]}")
    return done.stdout


def wait_for(what, seconds=10.0):
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            fail("waited in vain")
        time.sleep(0.01)


class Lttng:
    """A session daemon, and what one says to it."""

    def __init__(self, folder):
        self.environment = dict(os.environ, LTTNG_HOME=str(folder), LTTNG_UST_REGISTER_TIMEOUT="5000")
        self.folder = folder
        self.pid_file = folder / "sessiond.pid"
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["lttng-sessiond", "--no-kernel", f"--pidfile={self.pid_file}"], env=self.environment,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: self.pid_file.exists() or self.process.poll() is not None)
        if self.process.poll() is not None:
            fail("lttng-sessiond does not start (hint: does another one run?)")

    def say(self, *words):
        return run("lttng", *words, env=self.environment)

    def session(self, name, events, contexts=(), channel=("--subbuf-size", "1M", "--num-subbuf", "4")):
        self.say("create", name, "--output", self.folder / name)
        self.say("enable-channel", "-u", "-s", name, *channel, "all")
        for event, expression in events:
            self.say("enable-event", "-u", "-s", name, "-c", "all", event, *(["--filter", expression] if expression else []))
        for context in contexts:
            self.say("add-context", "-u", "-s", name, "-c", "all", "-t", context)
        self.say("start", name)

    def destroy(self, name):
        self.say("stop", name)
        self.say("destroy", name)

    def daemons(self):
        own = int(self.pid_file.read_text())
        found = [own]
        for task in Path(f"/proc/{own}/task").iterdir():
            found += map(int, (task / "children").read_text().split())
        return found

    def end(self):
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        self.process.wait(20)
        self.process = None
