#!/usr/bin/env python3
"""The table of damage: a sound trace of ours and one of LTTng-UST, damaged in each way there is a row for, and what babeltrace2 and ouro make of it.

    damage.py OURO [--only TEXT] [--keep FOLDER]

Where every event lies is found here, by a decoder of its own that knows just these few events. So it is known which ones a damage leaves sound: those whose
bytes are whole and whose place is known, in the order of time. An event that is hit takes those behind it in its packet along, for nothing says where they begin.

Of each row is asked: ouro gives every sound event, and so never fewer than babeltrace2; it ends with status 1 and names file and byte, `ouro check` likewise; it
never crashes. Some damage no reader can see, such as another byte in a text: these rows say so.

Our trace is written by <build>/tests/programs/storm; LTTng's by bench/lttng/every.cpp, if lttng-tools and lttng-ust are here.
"""
import argparse
import collections
import concurrent.futures
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile

import lttng

HEADER = 84  # bytes of a packet's header and context; both tracers have the same
BEGIN, END, CONTENT, SIZE, NUMBER = 32, 40, 48, 56, 64  # in them
EVENT = re.compile(r'event \{\s+name = "([^"]+)";\s+id = (\d+);\s+stream_id = 0;.*?\n\};', re.DOTALL)
ENVIRONMENT = dict(os.environ, TZ="UTC")

Packet = collections.namedtuple("Packet", "at end events")  # events: (where, id)


def run(*command, **more):
    return subprocess.run(command, capture_output=True, env=ENVIRONMENT, timeout=60, check=True, **more)


def lines(text):
    """Of babeltrace2's text, without the distances of time: these are others where an event is missing."""
    return collections.Counter(re.sub(rb" \(\+[0-9.?]+\)", b"", line, count=1) for line in text.splitlines())


# ---- where events lie

def text_end(data, at):
    return data.index(0, at) + 1


def walk_ours(data, at, names):
    word, = struct.unpack_from("<I", data, at)
    ident, at = word & 1023, at + 4
    if ident == 1023:
        ident, at = struct.unpack_from("<I", data, at)[0], at + 12
    at += 4 + 4 + 8  # _tid _writer _number
    return ident, text_end(data, at) if names[ident] == "storm:text" else at


def walk_lttng(data, at, names):
    ident, = struct.unpack_from("<H", data, at)
    if ident == 65535:
        ident, at = struct.unpack_from("<I", data, at + 2)[0], at + 14
    else:
        at += 6
    return ident, at + 4 if names[ident] == "every:number" else text_end(data, at + 8) + 4


class Trace:
    def __init__(self, folder, walk):
        self.folder = folder
        text = open(os.path.join(folder, "metadata"), "rb").read().decode("latin-1")
        self.names = {int(ident): name for name, ident in EVENT.findall(text)}
        self.files = {}
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if os.path.isdir(path) or name in ("metadata", "ouro_state"):
                continue
            data, packets, at = open(path, "rb").read(), [], 0
            while at < len(data):
                content, size = struct.unpack_from("<QQ", data, at + CONTENT)
                events, place = [], at + HEADER
                while place < at + content // 8:
                    ident, after = walk(data, place, self.names)
                    events.append((place, ident))
                    place = after
                assert place == at + content // 8, f"{path}: packet at {at} ends at {at + content // 8}, its last event at {place}"
                packets.append(Packet(at, at + size // 8, events))
                at += size // 8
            self.files[name] = packets
        self.text = lines(run("babeltrace2", folder).stdout)
        self.events = sum(self.text.values())
        self.decoded = sum(len(p.events) for packets in self.files.values() for p in packets)


class Damage:
    """A copy to be damaged. `lose` says which bytes are gone, and so which events."""

    def __init__(self, trace, folder):
        self.trace, self.folder = trace, folder
        shutil.copytree(trace.folder, folder)
        self.first = {name: [len(p.events) for p in packets] for name, packets in trace.files.items()}  # events of each packet that are sound
        # The one in the middle of the larger file, and those around it.
        self.file = max(trace.files, key=lambda name: len(trace.files[name]))
        self.packets = trace.files[self.file]
        self.middle = len(self.packets) // 2
        self.packet = self.packets[self.middle]
        # The last ones of its first half: there are events behind them. With short headers.
        data, half = self.read(), self.packet.events[:len(self.packet.events) // 2]
        short = [(at, trace.names[ident]) for at, ident in half if data[at] != 0xff]
        self.a_text = [at for at, name in short if name in ("storm:text", "every:request")][-1]
        self.a_number = [at for at, name in short if name in ("storm:number", "every:number")][-1]

    def path(self, name=None):
        return os.path.join(self.folder, name or self.file)

    def read(self, name=None):
        return bytearray(open(self.path(name), "rb").read())

    def write(self, data, name=None):
        with open(self.path(name), "wb") as f:
            f.write(data)

    def lose(self, begin, end, name=None):
        name = name or self.file
        for i, packet in enumerate(self.trace.files[name]):
            if begin < packet.at + HEADER and end > packet.at:
                self.first[name][i] = 0
            elif begin < packet.end and end > packet.at:
                ends = [at for at, _ in packet.events[1:]] + [packet.end]
                hit = [k for k, after in enumerate(ends) if after > begin]
                self.first[name][i] = min(self.first[name][i], hit[0] if hit else len(packet.events))

    def lose_all(self):
        for name in self.first:
            self.first[name] = [0] * len(self.first[name])

    def sound(self):
        left = sum(sum(counts) for counts in self.first.values())
        return self.trace.events - self.trace.decoded + left if left else 0

    # ---- kinds of damage

    def cut(self, at, name=None):
        data = self.read(name)
        self.lose(at, len(data), name)
        self.write(data[:at], name)

    def change(self, at, data, loses=True):
        old = self.read()
        assert old[at:at + len(data)] != data
        old[at:at + len(data)] = data
        self.write(old)
        if loses:
            self.lose(at, at + len(data))

    def flip(self, at, bit=0, loses=True):
        self.change(at + bit // 8, bytes([self.read()[at + bit // 8] ^ 1 << bit % 8]), loses)

    def rearrange(self, order, lost):
        data = self.read()
        self.write(b"".join(data[self.packets[i].at:self.packets[i].end] for i in order))
        for i in lost:
            self.first[self.file][i] = 0

    def change_metadata(self, change):
        text = change(self.read("metadata"))
        self.write(text, "metadata")
        text = bytes(text).decode("latin-1")
        known = {int(ident) for _, ident in EVENT.findall(text)} if re.search(r"\nstream \{.*?\n\};", text, re.DOTALL) else set()
        for name, packets in self.trace.files.items():
            for i, packet in enumerate(packets):
                unknown = [k for k, (_, ident) in enumerate(packet.events) if ident not in known]
                self.first[name][i] = unknown[0] if unknown else len(packet.events)
        if not known:
            self.lose_all()


def kinds():
    """(name, what it does to a Damage, whether a reader can notice, which file it must name; None: the stream's)"""
    is_ours = lambda d: "storm:number" in d.trace.names.values()
    everything = lambda d: range(len(d.packets))
    order = lambda d, *middle: [*range(d.middle), *middle, *range(d.middle + len(set(middle)), len(d.packets))]
    event = lambda d, n: d.packet.events[n][0]
    half = lambda d: len(d.packet.events) // 2

    page = lambda d: (d.packet.at + HEADER + 4095) // 4096 * 4096

    def remove(d, name):
        d.lose(0, 1 << 60, name)
        os.remove(d.path(name))

    def replace(d, data, name=None):
        d.lose(0, 1 << 60, name)
        d.write(data, name)

    def size(d, n):
        d.change(d.packet.at + SIZE, struct.pack("<Q", n * 8))

    def garbage(n):
        state, out = 1, bytearray()
        for _ in range(n):
            state = state * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
            out.append(state >> 56)
        return bytes(out)

    def foreign_packet(d):
        data = d.read()
        copy = data[d.packet.at:d.packet.end]
        copy[4:20] = bytes(range(16))
        d.write(data[:d.packet.at] + copy + data[d.packet.at:])

    def zeros_between(d):
        data = d.read()
        d.write(data[:d.packet.at] + bytes(4096) + data[d.packet.at:])

    def break_last_fields(d):
        d.change_metadata(lambda t: t[:t.rindex(b"fields :=") + 4])
        data = bytearray(open(os.path.join(d.trace.folder, "metadata"), "rb").read())
        data[data.rindex(b"fields :=")] ^= 0x40
        d.write(data, "metadata")

    def behind_streams(text):
        return text[:text.index(b"\n};", text.rindex(b"\nstream {")) + 4]

    def compressed(d, cut):
        path = d.path()
        run("zstd", "-q", "--rm", path)
        size = os.path.getsize(path + ".zst")
        if cut:
            os.truncate(path + ".zst", size * 2 // 3)

    return [
        ("nothing", lambda d: None, False, None),
        # ---- cut off
        ("stream cut off in a packet's magic", lambda d: d.cut(d.packet.at + 2), True, None),
        ("stream cut off in a packet's header", lambda d: d.cut(d.packet.at + 50), True, None),
        ("stream cut off behind a packet's header", lambda d: d.cut(d.packet.at + HEADER), True, None),
        ("stream cut off between two events", lambda d: d.cut(event(d, half(d))), True, None),
        ("stream cut off in an event", lambda d: d.cut(event(d, half(d)) + 3), True, None),
        ("stream cut off between two packets", lambda d: d.cut(d.packet.at), True, None),
        ("stream cut off in its first header", lambda d: d.cut(50), True, None),
        # ---- bytes
        ("a page of zeros", lambda d: d.change(page(d), bytes(4096)), True, None),
        ("a page of zeros between two packets", zeros_between, True, None),
        ("a page of 0xff", lambda d: d.change(page(d), b"\xff" * 4096), True, None),
        ("one bit of a packet's magic", lambda d: d.flip(d.packet.at), True, None),
        ("one bit of a packet's uuid", lambda d: d.flip(d.packet.at + 4, 77), True, None),
        ("one bit of a packet's stream id", lambda d: d.flip(d.packet.at + 20, 3), True, None),
        ("packet size: 256 bytes more", lambda d: size(d, d.packet.end - d.packet.at + 256), True, None),
        ("packet size: as far as the next packet goes", lambda d: size(d, d.packets[d.middle + 1].end - d.packet.at), True, None),
        ("packet size: the highest bit", lambda d: d.flip(d.packet.at + SIZE, 63), True, None),
        ("packet size: 0", lambda d: d.change(d.packet.at + SIZE, bytes(8)), True, None),
        ("packet size: no whole byte", lambda d: d.flip(d.packet.at + SIZE), True, None),
        ("content size: the highest bit", lambda d: d.flip(d.packet.at + CONTENT, 63), True, None),
        ("content size: 0", lambda d: d.change(d.packet.at + CONTENT, bytes(8)), True, None),
        # Where content ends between two events, nobody can see it.
        ("content size: half, in an event", lambda d: d.change(d.packet.at + CONTENT, struct.pack("<Q", (event(d, half(d)) + 3 - d.packet.at) * 8)), True, None),
        ("timestamp_begin: bit 50", lambda d: d.flip(d.packet.at + BEGIN, 50), True, None),
        ("timestamp_begin: 0", lambda d: d.change(d.packet.at + BEGIN, bytes(8)), True, None),
        ("timestamp_end: bit 50", lambda d: d.flip(d.packet.at + END, 50), "check", None),
        ("timestamp_end: that of the begin", lambda d: d.change(d.packet.at + END, d.read()[d.packet.at + BEGIN:d.packet.at + BEGIN + 8]), True, None),
        ("packet number: bit 40", lambda d: d.flip(d.packet.at + NUMBER, 40, False), True, None),
        ("an event's id: one that is not declared", lambda d: d.flip(d.a_number, 7), True, None),
        ("an event's id: another one's", lambda d: d.flip(d.a_number, 0), None, None),
        ("an event's time: the highest bit of its stamp", lambda d: d.flip(d.a_number, 31 if is_ours(d) else 47), None, None),
        ("an event's time: the lowest bit of its stamp", lambda d: d.flip(d.a_number, 10 if is_ours(d) else 16), None, None),
        ("a text's end", lambda d: d.change(d.read().index(0, d.a_text + (20 if is_ours(d) else 14)), b"x"), None, None),
        ("a byte of a number", lambda d: d.flip(d.a_number + (8 if is_ours(d) else 6), 1), False, None),
        # ---- packets
        ("a packet missing", lambda d: d.rearrange([i for i in everything(d) if i != d.middle], [d.middle]), True, None),
        ("two packets swapped", lambda d: d.rearrange(order(d, d.middle + 1, d.middle), [d.middle]), True, None),
        ("a packet doubled", lambda d: d.rearrange([*range(d.middle), d.middle, d.middle, *range(d.middle + 1, len(d.packets))], []), True, None),
        ("a packet of another trace between two", foreign_packet, True, None),
        # ---- files
        ("a stream file missing", lambda d: remove(d, d.file), True, None),
        ("a stream file empty", lambda d: replace(d, b""), True, None),
        ("a stream file of garbage", lambda d: replace(d, garbage(50000)), True, None),
        ("garbage behind a stream's last packet", lambda d: d.write(d.read() + garbage(5000)), True, None),
        ("a foreign file in the folder", lambda d: d.write(b"Remember to look at the spike at 14:03.\n", "notes.txt"), True, "notes.txt"),
        ("a zstd-compressed stream", lambda d: compressed(d, False), False, None),
        ("a zstd-compressed stream cut off", lambda d: (d.lose(0, 1 << 60), compressed(d, True)), True, None),
        # ---- metadata
        ("metadata missing", lambda d: (d.lose_all(), os.remove(d.path("metadata"))), True, "metadata"),
        ("metadata empty", lambda d: (d.lose_all(), d.write(b"", "metadata")), True, "metadata"),
        ("metadata cut off in half", lambda d: d.change_metadata(lambda t: t[:len(t) // 2]), True, "metadata"),
        ("metadata cut off behind the last stream", lambda d: d.change_metadata(behind_streams), True, "metadata"),
        ("metadata cut off in the last event", lambda d: d.change_metadata(lambda t: t[:t.rindex(b"fields :=") + 20]), True, "metadata"),
        ("metadata: one bit of the last event's", break_last_fields, True, "metadata"),
    ]


# ---- who reads what

def status(code):
    if code is None:
        return "no end"
    return str(code) if code >= 0 else f"signal {-code}"


def first_line(text):
    for line in text.decode(errors="replace").splitlines():
        if line.startswith(("ouro: warning: ", "ouro: error: ")):
            return line.split(": ", 3)[3]
    return ""


class Reading:
    """What one reader gave: events as they were in the whole trace, others, its status."""

    def __init__(self, trace, timeout, *command):
        try:
            done = subprocess.run(command, capture_output=True, env=ENVIRONMENT, timeout=timeout)
            self.status, self.said, given = done.returncode, done.stderr, lines(done.stdout)
        except subprocess.TimeoutExpired:
            self.status, self.said, given = None, b"", collections.Counter()
        self.right = sum((given & trace.text).values())
        self.wrong = sum(given.values()) - self.right

    def cell(self):
        return f"{self.right}{f' and {self.wrong} false' if self.wrong else ''}, {status(self.status)}"


def judge(ouro, trace, kind, folder):
    """Cells of the table, and what is wrong."""
    name, do, seen, where = kind
    damage = Damage(trace, folder)
    do(damage)
    sound = damage.sound()
    theirs = Reading(trace, 2, "babeltrace2", folder)  # some take it for ever
    ours = Reading(trace, 30, ouro, "print", "--format", "babeltrace", folder)
    check = subprocess.run([ouro, "check", folder], capture_output=True, env=ENVIRONMENT, timeout=60)
    where = where or damage.file
    wrong = []
    if ours.status not in (0, 1) or check.returncode not in (0, 1):
        wrong.append(f"ouro print ends with {status(ours.status)}, ouro check with {status(check.returncode)}")
    if ours.right < sound:
        wrong.append(f"ouro print gives {ours.right} events, of {sound} that are sound")
    if ours.right < theirs.right:
        wrong.append(f"ouro print gives {ours.right} events, babeltrace2 {theirs.right}")
    seen_by = {True: ("print", "check"), "check": ("check",)}.get(seen, ())
    for who, code, said in (("print", ours.status, ours.said), ("check", check.returncode, check.stdout + check.stderr)):
        said = said.decode(errors="replace")
        if seen is False and code != 0:
            wrong.append(f"ouro {who} ends with {code}, though there is nothing to see: {said[-400:]}")
        if who not in seen_by:
            continue
        if code == 0:
            wrong.append(f"ouro {who} ends with 0")
        place = "metadata" if where == "metadata" else rf"{re.escape(where)}(\.zst)?(, byte |' is damaged at byte )\d+"
        if not re.search(place, said):
            wrong.append(f"ouro {who} does not say where: {said[-400:]}")
    says = first_line(ours.said).replace(folder, "T").replace("|", "\\|")
    return [theirs.cell(), ours.cell(), str(sound)], says, wrong


# ---- the two traces

def two_cpus():
    return sorted(os.sched_getaffinity(0))[:2]


def make_ours(ouro, base):
    programs = os.path.join(os.path.dirname(os.path.abspath(ouro)), "tests", "programs")
    folder = os.path.join(base, "ours")
    ENVIRONMENT["OURO_RUNTIME_DIR"] = os.path.join(base, "run")
    run("taskset", "-c", ",".join(map(str, two_cpus())), ouro, "record", "--buffer-size", "32K", "-o", folder, "--", os.path.join(programs, "storm"), os.path.join(base, "books"),
        "threads=4", "events=750", "text=3", "pause=3000")
    return Trace(folder, walk_ours)


def make_lttng(base):
    """None where LTTng is not installed."""
    every, folder = lttng.build_every(base), os.path.join(base, "lttng")
    if every is None:
        return None
    with lttng.Daemon(base):
        session = f"ouro-damage-{os.getpid()}"
        run("lttng", "create", session, "-o", folder)
        run("lttng", "enable-channel", "-u", "c", "-s", session, "--subbuf-size", "8K", "--num-subbuf", "8", "--blocking-timeout", "inf")
        run("lttng", "enable-event", "-u", "every:number,every:request", "-c", "c", "-s", session)
        run("lttng", "start", session)
        ENVIRONMENT["LTTNG_UST_ALLOW_BLOCKING"] = "1"
        for cpu in two_cpus():  # on both at once they would share one, mostly
            run("taskset", "-c", str(cpu), every, "3000", "2")
        run("lttng", "destroy", session)
    return Trace(os.path.join(folder, "ust", "uid", str(os.getuid()), "64-bit"), walk_lttng)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("ouro")
    options.add_argument("--only", default="", help="rows whose names hold this")
    options.add_argument("--keep", help="where damaged traces stay")
    options = options.parse_args()
    base = options.keep or tempfile.mkdtemp(prefix="ouro-damage-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    traces = {"ouro": make_ours(options.ouro, base), "LTTng": make_lttng(base)}
    rows = [kind for kind in kinds() if options.only in kind[0]]

    def judge_row(i):
        return {label: judge(options.ouro, trace, rows[i], os.path.join(base, f"{label}-{i}")) for label, trace in traces.items() if trace}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(judge_row, range(len(rows))))
    for label, trace in traces.items():
        print(f"{label}: {trace.events} events in {sum(map(len, trace.files.values()))} packets in {len(trace.files)} streams" if trace else f"{label} is not installed")
    print("\n| damage | ours: babeltrace2 | ouro | sound | LTTng's: babeltrace2 | ouro | sound | ouro of ours |\n|---|---|---|---|---|---|---|---|")
    failed = 0
    for kind, result in zip(rows, results):
        cells = [cell for label in traces for cell in (result[label][0] if label in result else ["", "", ""])]
        print(f"| {' | '.join([kind[0], *cells, result['ouro'][1]])} |")
        for label, (_, _, wrong) in result.items():
            for what in wrong:
                print(f"WRONG  {label}: {kind[0]}: {what}", file=sys.stderr)
                failed += 1
    if not options.keep:
        shutil.rmtree(base)
    print(f"{len(rows)} kinds of damage, {failed} wrong", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
