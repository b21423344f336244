#!/usr/bin/env python3
"""Traces of LTTng-UST in all its setups, read by babeltrace2 and by `ouro print --format babeltrace`: both must write the same bytes, and count the same losses.

    lttng_traces.py OURO [--only TEXT] [--keep FOLDER]

The program is bench/lttng/every.cpp, with events of every field type. Without lttng-tools and lttng-ust there is nothing to do. Allowed to differ is what
random_traces.py allows.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

import lttng
from random_traces import compare

# What `lttng add-context --list` has for user space; those it refuses there are the kernel's. All but the last two each need nothing of the machine.
CONTEXTS = ("procname vpid vtid pthread_id ip cgroup_ns ipc_ns mnt_ns net_ns pid_ns time_ns user_ns uts_ns vuid veuid vsuid vgid vegid vsgid").split()
SMALL = ["--subbuf-size", "4K", "--num-subbuf", "2"]
LARGE = ["--subbuf-size", "256K", "--num-subbuf", "8"]
WRAPPERS = ":".join(f"liblttng-ust-{name}.so.1" for name in ("libc-wrapper", "pthread-wrapper", "dl"))


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, timeout=60, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: status {done.returncode}: {(done.stdout + done.stderr).decode(errors='replace')}")
    return done.stdout


class Session:
    number = 0

    def __init__(self, every, base, *create):
        Session.number += 1
        self.every, self.name = every, f"ouro-test-{os.getpid()}-{Session.number}"
        self.folder, self.programs = os.path.join(base, self.name), []
        run("lttng", "create", self.name, *(f"{word}={self.folder}" if word == "--output" else word for word in create or ("--output",)))

    def channel(self, name, *options, events=("--all",), contexts=()):
        run("lttng", "enable-channel", "-u", name, "-s", self.name, *options)
        run("lttng", "enable-event", "-u", *events, "-c", name, "-s", self.name)
        if contexts:
            run("lttng", "add-context", "-u", *(word for context in contexts for word in ("-t", context)), "-c", name, "-s", self.name)

    def start(self):
        run("lttng", "start", self.name)

    def write(self, events, threads=2, wait=True, **environment):
        program = subprocess.Popen([self.every, str(events), str(threads)], env=dict(os.environ, **environment), stdout=subprocess.DEVNULL)
        if not wait:
            self.programs.append(program)
        elif program.wait(60) != 0:
            raise RuntimeError(f"every: status {program.returncode}")

    def end(self):
        for program in self.programs:
            if program.wait(60) != 0:
                raise RuntimeError(f"every: status {program.returncode}")
        run("lttng", "destroy", self.name)


# ---- the setups: each makes a session, and says how many events and losses there are at least: (events, lost events, lost packets)

def every_type(make):
    s = make()
    s.channel("c", *LARGE)
    s.start()
    s.write(5000)
    return s, (5000, 0, 0)


def all_contexts(make):
    s = make()
    s.channel("c", *LARGE, "--blocking-timeout", "inf", contexts=CONTEXTS)
    s.start()
    s.write(3000, LTTNG_UST_ALLOW_BLOCKING="1")
    return s, (3000, 0, 0)


def each_context(make):
    s = make()
    for context in CONTEXTS:
        s.channel("of_" + context, "--subbuf-size", "16K", "--num-subbuf", "2", contexts=[context])
    s.start()
    s.write(200)
    return s, (200 * len(CONTEXTS), 0, 0)


def perf_contexts(make):
    s = make()
    try:
        s.channel("c", *LARGE, contexts=["perf:thread:task-clock", "perf:thread:page-fault", "perf:thread:context-switches", "vtid"])
    except RuntimeError as error:
        return s, str(error)
    s.start()
    s.write(3000)
    return s, (3000, 0, 0)


def buffers_per_process(make):
    s = make()
    s.channel("c", *LARGE, "--buffers-pid", contexts=["vpid"])
    s.start()
    s.write(2000, wait=False)
    s.write(2000, wait=False)
    s.write(2000)
    return s, (6000, 0, 0)


def two_processes(make):
    s = make()
    s.channel("c", *LARGE, contexts=["vpid", "vtid", "procname"])
    s.start()
    s.write(3000, wait=False)
    s.write(3000)
    return s, (6000, 0, 0)


def channels(make):
    s = make()
    s.channel("numbers", *LARGE, events=["every:number"])
    s.channel("requests", *LARGE, "--overwrite", events=["every:request"], contexts=["vtid"])
    s.channel("rest", *LARGE, "--switch-timer", "1000", "--read-timer", "1000", events=["--all"], contexts=["procname", "ip"])
    s.start()
    s.write(5000, threads=3)
    return s, (5000, 0, 0)


def other_libraries(make):
    """More than 30 kinds of events: those of malloc(), pthread_mutex_lock() and dlopen(), too, and their state dumps."""
    s = make()
    s.channel("c", *LARGE, contexts=["vtid"])
    s.start()
    s.write(2000, LD_PRELOAD=WRAPPERS)
    return s, (2000, 0, 0)


def chosen_events(make):
    s = make()
    s.channel("c", *LARGE, events=["every:*", "--filter", 'id > 100 && path == "/cart*"', "--exclude", "every:number"])
    s.start()
    s.write(3000)
    return s, (100, 0, 0)


def discarded_events(make):
    s = make()
    s.channel("c", *SMALL)
    s.start()
    s.write(60000)
    return s, (100, 1000, 0)


def overwritten_packets(make):
    s = make()
    s.channel("c", *SMALL, "--overwrite")
    s.start()
    s.write(300000)
    return s, (100, 0, 1)  # how many depends on when the consumer gets a CPU


def snapshots(make):
    s = make("--snapshot", "--output")
    s.channel("c", "--subbuf-size", "16K", "--num-subbuf", "4", contexts=["vtid"])
    s.start()
    for _ in range(3):
        s.write(20000)
        run("lttng", "snapshot", "record", "-s", s.name)
    return s, (3 * 300, 0, 0)


def rotated(make):
    s = make()
    s.channel("c", "--subbuf-size", "64K", "--num-subbuf", "8")
    s.start()
    for _ in range(3):
        s.write(2000)
        run("lttng", "rotate", s.name)
    return s, (6000, 0, 0)


def files_in_turn(make):
    """c_0_0, c_0_1 ...: of each stream the newest files."""
    s = make()
    s.channel("c", "--subbuf-size", "8K", "--num-subbuf", "8", "--tracefile-size", "16K", "--tracefile-count", "3", "--blocking-timeout", "inf")
    s.start()
    s.write(20000, LTTNG_UST_ALLOW_BLOCKING="1")
    return s, (500, 0, 0)


def stopped_and_started(make):
    s = make()
    s.channel("c", *LARGE)
    for _ in range(3):
        s.start()
        s.write(1000)
        run("lttng", "stop", s.name)
    return s, (3000, 0, 0)


def long_stamps(make):
    """More than 2^32 ns without an event: the next one has a header with all of its time."""
    s = make()
    s.channel("c", *LARGE)
    s.start()
    s.write(1000)
    s.later = time.monotonic() + 4.4, lambda: s.write(1000)
    return s, (2000, 0, 0)


SETUPS = [every_type, all_contexts, each_context, perf_contexts, buffers_per_process, two_processes, channels, other_libraries, chosen_events, discarded_events,
          overwritten_packets, snapshots, rotated, files_in_turn, stopped_and_started, long_stamps]


def traces_in(folder):
    return sorted(where for where, _, files in os.walk(folder) if "metadata" in files)


def counts(ouro, trace):
    """(events, lost events, lost packets), by us, and what babeltrace2 says otherwise."""
    theirs = subprocess.run(["babeltrace2", trace], capture_output=True)
    lost = {what: [int(n) for n in re.findall(rf"Tracer discarded (\d+) {what}s? between", theirs.stderr.decode(errors="replace"))] for what in ("event", "packet")}
    streams = json.loads(subprocess.run([ouro, "check", "--json", trace], capture_output=True).stdout)["traces"][0]["streams"]
    ours = tuple(sum(s[what] for s in streams) for what in ("events", "lost", "packets_missing"))
    # LTTng-UST 2.13 leaves a count of 0 in a packet now and then, and babeltrace2 takes that for nearly 2^64 lost events. What was lost ahead of a trace
    # that begins with a later packet it does not count.
    is_other = any(n > 1 << 63 for n in lost["event"]) or any(s["first_number"] for s in streams)
    different = [f"{a} {what}, babeltrace2 {b}" for what, a, b in (("events", ours[0], theirs.stdout.count(b"\n")), ("lost events", ours[1], sum(lost["event"])),
                 ("lost packets", ours[2], sum(lost["packet"]))) if a != b and not (what == "lost events" and is_other)]
    return ours, different


def judge(ouro, name, session, least):
    """Whether it is as it should be."""
    if isinstance(least, str):
        print(f"{name}: SKIPPED: {least}")
        return True
    traces, seen, wrong = traces_in(session.folder), (0, 0, 0), []
    for trace in traces:
        here, different = counts(ouro, trace)
        seen = tuple(map(sum, zip(seen, here)))
        wrong += [f"{trace}: {what}" for what in different]
        # Packets that were overwritten are missing, whoever lost them: status 1.
        if different := compare(ouro, trace, (1,) if here[2] else (0,)):
            wrong.append(f"{trace}: {different}")
    if len(traces) > 1 and (different := compare(ouro, session.folder)):
        wrong.append(f"all together: {different}")
    if any(a < b for a, b in zip(seen, least)):
        wrong.append(f"{seen}, want at least {least}")
    print(f"{name}: {len(traces)} traces, {seen[0]} events, {seen[1]} lost, {seen[2]} packets lost: {'equal' if not wrong else 'DIFFERENT'}")
    for what in wrong:
        print("  " + what)
    return not wrong


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("ouro")
    options.add_argument("--only", default="", help="setups whose names hold this")
    options.add_argument("--keep", help="where traces stay")
    options = options.parse_args()
    base = options.keep or tempfile.mkdtemp(prefix="ouro-lttng-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    every = lttng.build_every(base)
    if every is None:
        print("SKIPPED: lttng-tools or lttng-ust are not here")
        return 0
    chosen = [setup for setup in SETUPS if options.only in setup.__name__]
    bad = []
    with lttng.Daemon(base):
        for setup in chosen:
            session, least = setup(lambda *create: Session(every, base, *create))
            if hasattr(session, "later"):
                time.sleep(max(0, session.later[0] - time.monotonic()))
                session.later[1]()
            session.end()
            if not judge(options.ouro, setup.__name__, session, least):
                bad.append(setup.__name__)
    if not options.keep:
        shutil.rmtree(base)
    print(f"{len(chosen)} setups, {len(bad)} different: {' '.join(bad)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
