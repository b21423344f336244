#!/usr/bin/env python3
"""Random CTF 1.8 traces, read by babeltrace2 and by `ouro print --format babeltrace`: both must write the same bytes.

    random_traces.py OURO COUNT [--seed N] [--keep FOLDER]
    random_traces.py OURO --traces FOLDER...                  the same with traces that are there

Trace number N is always the same one. What differs is shown, and kept in FOLDER. One difference is allowed: where a text is
empty, babeltrace2 2.0.4 may write what its object of the event held before.
"""
import argparse
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile

MAGIC = 0xC1FC1FC1


class Bits:
    """A packet's bytes, written bit by bit."""

    def __init__(self):
        self.data = bytearray()
        self.at = 0

    def align(self, bits):
        self.at = (self.at + bits - 1) // bits * bits
        self.grow()

    def grow(self):
        need = (self.at + 7) // 8
        if need > len(self.data):
            self.data.extend(bytes(need - len(self.data)))

    def put(self, value, size, big):
        value &= (1 << size) - 1
        if self.at % 8 == 0 and size % 8 == 0:
            self.grow()
            self.data[self.at // 8:] = value.to_bytes(size // 8, "big" if big else "little")
            self.at += size
            return
        first, self.at = self.at, self.at + size
        self.grow()
        for i in range(size):
            bit = value >> (size - 1 - i if big else i) & 1
            place = first + i
            self.data[place // 8] |= bit << (7 - place % 8 if big else place % 8)


class Integer:
    def __init__(self, size, align, signed, big, base="", text=False, clock=None):
        self.size, self.align, self.signed, self.big, self.base, self.text, self.clock = size, align, signed, big, base, text, clock

    def tsdl(self):
        out = f"integer {{ size = {self.size}; align = {self.align}; signed = {'true' if self.signed else 'false'};"
        out += f" byte_order = {'be' if self.big else 'le'};"
        if self.base:
            out += f" base = {self.base};"
        if self.text:
            out += " encoding = UTF8;"
        if self.clock:
            out += f" map = clock.{self.clock}.value;"
        return out + " }"

    def put(self, bits, value):
        bits.align(self.align)
        bits.put(value, self.size, self.big)

    def least(self):
        return -(1 << self.size - 1) if self.signed else 0

    def most(self):
        return (1 << self.size - (1 if self.signed else 0)) - 1

    def value(self, r):
        low, high = self.least(), self.most()
        return r.choice([low, high, 0, min(high, 1), min(high, r.getrandbits(8)), r.randint(low, high)])

    def write(self, bits, r, env):
        self.put(bits, self.value(r))


class Float:
    def __init__(self, size, align, big):
        self.size, self.align, self.big = size, align, big

    def tsdl(self):
        digits = "exp_dig = 8; mant_dig = 24;" if self.size == 32 else "exp_dig = 11; mant_dig = 53;"
        return f"floating_point {{ {digits} align = {self.align}; byte_order = {'be' if self.big else 'le'}; }}"

    def write(self, bits, r, env):
        bits.align(self.align)
        kind = r.randrange(5)
        if kind == 0:
            raw = r.getrandbits(self.size)
        else:
            value = r.choice([0.0, -0.0, 1.0, -1.0, 0.1, 1e6, 999999.5, 99999.95, 1e-4, 9.9999995e-5, 123456.5, 1234565.0, float("inf"), float("-inf"), float("nan"),
                              1e300, 5e-324, r.uniform(-1e7, 1e7), r.uniform(-1, 1), 10.0 ** r.randint(-40, 40) * r.random(), float(r.randint(-10**6, 10**6)) / 8])
            if self.size == 32:
                try:
                    raw = struct.unpack("<I", struct.pack("<f", value))[0]
                except OverflowError:
                    raw = 0x7F800000
            else:
                raw = struct.unpack("<Q", struct.pack("<d", value))[0]
        bits.put(raw, self.size, self.big)


class Enum:
    def __init__(self, r, integer, labels=None):
        self.integer, self.align = integer, integer.align
        self.ranges = []
        low, high = integer.least(), integer.most()
        if labels is None:
            names = [r.choice(["red", "green", "blue", "a b", 'q\\"uote', "x?", "LAST"]) for _ in range(r.randint(1, 5))]
            for name in names:
                a, b = sorted([min(high, max(low, integer.value(r))), min(high, max(low, integer.value(r)))])
                if r.random() < 0.6:
                    b = a
                self.ranges.append((name, a, b))
        else:  # a variant's tag: ranges of its own for each
            step = max(1, min((high - low + 1) // len(labels), 5))
            for i, name in enumerate(labels):
                a = low + i * step
                self.ranges.append((name, a, a + r.randrange(step)))

    def tsdl(self):
        out = ", ".join(f'"{n}" = {a}' + (f" ... {b}" if b != a else "") for n, a, b in self.ranges)
        return f"enum : {self.integer.tsdl()} {{ {out} }}"

    def write(self, bits, r, env):
        if r.random() < 0.7:
            _, a, b = r.choice(self.ranges)
            self.integer.put(bits, r.choice([a, b, r.randint(a, b)]))
        else:
            self.integer.write(bits, r, env)


def random_text(r):
    return bytes(r.choice([r.randrange(1, 256), r.randrange(32, 127), r.randrange(97, 123)]) for _ in range(r.choice([1, 1, 3, 8, 20, 70])))


class String:
    align = 8

    def tsdl(self):
        return "string"

    def write(self, bits, r, env):
        bits.align(8)
        for byte in (b"" if r.random() < 0.05 else random_text(r)) + b"\0":
            bits.put(byte, 8, False)


class Array:
    def __init__(self, element, count):
        self.element, self.count, self.align = element, count, element.align

    def tsdl(self):
        return self.element.tsdl()

    def suffix(self):
        inner = self.element.suffix() if isinstance(self.element, (Array, Sequence)) else ""
        return f"[{self.count}]" + inner

    def write(self, bits, r, env):
        bits.align(self.align)
        for byte in range(self.count):
            self.element.write(bits, r, env)


class Sequence(Array):
    def __init__(self, element, path, length_name):
        super().__init__(element, 0)
        self.path, self.length_name = path, length_name

    def suffix(self):
        inner = self.element.suffix() if isinstance(self.element, (Array, Sequence)) else ""
        return f"[{self.path}]" + inner

    def write(self, bits, r, env):
        bits.align(self.align)
        for _ in range(env[self.length_name]):
            self.element.write(bits, r, env)


class Struct:
    def __init__(self, members, align):
        self.members, self.least_align = members, align
        self.align = max([align] + [t.align for _, t in members])

    def tsdl(self):
        inner = " ".join(f"{t.tsdl()} {n}{t.suffix() if isinstance(t, Array) else ''};" for n, t in self.members)
        return f"struct {{ {inner} }}" + (f" align({self.least_align})" if self.least_align > 1 else "")

    def write(self, bits, r, env):
        bits.align(self.align)
        for _, t in self.members:
            t.write(bits, r, env)


class Length:
    """An integer that later sequences take as their length; noted in `env` under a name of its own."""

    def __init__(self, integer, key):
        self.integer, self.align, self.key = integer, integer.align, key

    def tsdl(self):
        return self.integer.tsdl()

    def write(self, bits, r, env):
        env[self.key] = r.choice([0, 1, 2, r.randrange(6)]) if self.integer.size >= 3 else r.randrange(self.integer.most() + 1)
        self.integer.put(bits, env[self.key])


class Tag:
    def __init__(self, enum, key):
        self.enum, self.align, self.key = enum, enum.align, key

    def tsdl(self):
        return self.enum.tsdl()

    def write(self, bits, r, env):
        i = r.randrange(len(self.enum.ranges))
        _, a, b = self.enum.ranges[i]
        env[self.key] = i
        self.enum.integer.put(bits, r.randint(a, b))


class Variant:
    align = 1

    def __init__(self, options, path, key):
        self.options, self.path, self.key = options, path, key

    def tsdl(self):
        inner = " ".join(f"{t.tsdl()} {n}{t.suffix() if isinstance(t, Array) else ''};" for n, t in self.options)
        return f"variant <{self.path}> {{ {inner} }}"

    def write(self, bits, r, env):
        self.options[env[self.key]][1].write(bits, r, env)


class Generator:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.big = self.r.random() < 0.4
        self.keys = 0
        self.clock = None
        self.has_stamps = False  # among the fields; these move babeltrace2's clock, so that the next event's stamp must be whole

    def key(self):
        self.keys += 1
        return f"k{self.keys}"

    # ---- types

    def integer(self, signed=None, least=1):
        r = self.r
        size = r.choice([8, 16, 32, 64, 8, 32, r.randint(1, 64), r.randint(1, 16)])
        size = max(size, least)
        align = r.choice([8, 8, 8, 1, 1, 2, 4, 16, 32, 64])
        whole = size % 8 == 0 and align % 8 == 0
        big = r.random() < 0.5 if whole else self.big
        # babeltrace2 2.0.4 shifts by 64 to show 61 to 63 bits in base 16, and shows 0.
        base = r.choice(["", "", "10", "8", "2"] + ([] if 61 <= size <= 63 else ["16", "hex", "x"]))
        clock = self.clock if self.has_stamps and size >= 32 and r.random() < 0.03 and signed is None else None
        return Integer(size, align, not clock and r.random() < 0.4 if signed is None else signed, big, base, False, clock)

    def text_byte(self):
        return Integer(8, 8, self.r.random() < 0.5, False, "", True)

    def scalar(self):
        r = self.r
        kind = r.randrange(10)
        if kind < 5:
            return self.integer()
        if kind < 7:
            align = r.choice([8, 8, 16, 32, 64, 1])
            return Float(r.choice([32, 64]), align, r.random() < 0.5 if align >= 8 else self.big)
        if kind < 9:
            return Enum(r, self.integer(least=2))
        return String()

    def any_type(self, depth):
        r = self.r
        kind = r.randrange(12)
        if depth == 0 or kind < 7:
            return self.scalar()
        if kind < 9:
            return self.struct(depth - 1)
        if kind < 11:
            return Array(self.any_type(depth - 1), r.randrange(5))
        return Array(self.text_byte(), r.choice([0, 1, 5, 17]))

    # Members with what they refer to in front of them. `known`: lengths in scopes before, as (path, key).
    def members(self, depth, count, known, refers=True):
        r, out = self.r, []
        known = list(known)
        for _ in range(count):
            name = r.choice(["f", "_f", "__f", "x_"]) + str(len(out))
            kind = r.randrange(10) if refers else 9
            if kind == 0:
                length, key = f"{name}_length", self.key()
                out.append((length, Length(self.integer(signed=False), key)))
                known.append((length, key))
                out.append((name, Sequence(self.text_byte() if r.random() < 0.3 else self.any_type(max(depth - 1, 0)), length, key)))
            elif kind == 1 and known:
                path, key = r.choice(known)
                out.append((name, Sequence(self.text_byte() if r.random() < 0.3 else self.any_type(0), path, key)))
            elif kind == 2 and depth > 0:
                labels = [f"o{i}" if r.random() < 0.7 else f"_o{i}" for i in range(r.randint(1, 4))]
                tag, key = f"{name}_tag", self.key()
                out.append((tag, Tag(Enum(r, self.integer(least=3), labels), key)))
                out.append((name, Variant([(label, self.any_type(depth - 1)) for label in labels], tag, key)))
            else:
                out.append((name, self.any_type(depth)))
        return out

    def struct(self, depth, known=()):
        r = self.r
        return Struct(self.members(depth, r.choice([0, 1, 2, 3, 5]), known), r.choice([1, 1, 1, 8, 16, 64]))

    # ---- streams

    def plain(self, size, clock=None):
        return Integer(size, 8, False, self.big, "", False, clock)

    def make_header(self, clock):
        """The event header as (TSDL, function that writes it); how many bits a stamp has at least."""
        r = self.r
        big = self.big
        kind = r.randrange(5) if clock else r.randrange(2)
        stamp = f"map = clock.{clock}.value;" if clock else ""
        if kind < 2:
            id_size, size = r.choice([8, 16, 32]), r.choice([64, 64, 32, 27, 48])
            if not clock:
                ident = self.plain(id_size)
                return Struct([("id", ident)], 1).tsdl(), lambda bits, i, t: ident.put(bits, i), 64
            ident, time = self.plain(id_size), Integer(size, r.choice([1, 8, 32]), False, big, "", False, clock)
            align = max(8, time.align)

            def write(bits, i, t):
                bits.align(align)
                ident.put(bits, i)
                time.put(bits, t)
            return Struct([("id", ident), ("timestamp", time)], 1).tsdl(), write, size
        compact_bits, stamp_bits, last = (5, 27, 31) if kind < 4 else (16, 32, 65535)
        inner = 1 if kind < 4 else 8

        def integer(size, align, mapped):
            return f"integer {{ size = {size}; align = {align}; signed = false; {stamp if mapped else ''} }}"
        text = (f"struct {{ enum : {integer(compact_bits, inner, False)} {{ compact = 0 ... {last - 1}, extended = {last} }} id; variant <id> {{ "
                f"struct {{ {integer(stamp_bits, inner, True)} timestamp; }} compact; "
                f"struct {{ {integer(32, 8, False)} id; {integer(64, 8, True)} timestamp; }} extended; }} v; }} align(8)")

        def write_lttng(bits, i, t):
            bits.align(8)
            if (i + t) % 10 < 7:
                bits.put(i, compact_bits, big)
                bits.align(inner)
                bits.put(t, stamp_bits, big)
            else:
                bits.put(last, compact_bits, big)
                bits.align(8)
                bits.put(i, 32, big)
                bits.put(t, 64, big)
        return text, write_lttng, stamp_bits

    def trace(self, folder):
        r, big = self.r, self.big
        self.clock = r.choice(["clk", "clk", "clk", "monotonic", None])
        freq = r.choice([10**9, 10**9, 10**9, 10**6, 3 * 10**9, 2_419_200_000, r.randint(1000, 4 * 10**9)])
        instances = r.random() < 0.7
        has_header = r.random() < 0.9
        streams = r.randint(1, 3) if has_header and self.clock else 1
        uuid = bytes(r.getrandbits(8) for _ in range(16)) if has_header and r.random() < 0.8 else None
        out = ["/* CTF 1.8 */\n"]
        trace = f"trace {{ major = 1; minor = 8; byte_order = {'be' if big else 'le'};"
        if uuid:
            h = uuid.hex()
            trace += f' uuid = "{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}";'
        head = []
        if has_header:
            head = [("magic", self.plain(32))]
            if uuid:
                head.append(("uuid", Array(Integer(8, 8, False, big), 16)))
            head.append(("stream_id", self.plain(r.choice([8, 32, 64]))))
            if instances:
                head.append(("stream_instance_id", self.plain(r.choice([16, 64]))))
            trace += f" packet.header := {Struct(head, 1).tsdl()};"
        out.append(trace + " };\n")
        env = [(n, v) for n, v in (("hostname", '"vm-1"'), ("procname", '"a prog"'), ("vpid", "4711"), ("tracer_name", '"random"')) if r.random() < 0.5]
        if env:
            out.append("env { " + " ".join(f"{n} = {v};" for n, v in env) + " };\n")
        if self.clock:
            offset = r.choice([0, 0, r.randint(0, 2 * 10**9), r.randint(0, 10**18 * freq // 10**9)])
            seconds = r.choice([0, r.randint(0, 2 * 10**9)])
            out.append(f'clock {{ name = {self.clock}; freq = {freq}; offset_s = {seconds}; offset = {offset}; }};\n')
        now = r.choice([0, r.randint(0, 1 << 40), r.randint(0, 1 << 50)])
        classes = []
        for s in range(streams):
            classes.append(self.stream(s, has_header, out))
        # Two files of a class, where their packets tell them apart.
        files = [(f"s{i}_{c['id']}", c, i) for i, c in enumerate(classes + ([r.choice(classes)] if has_header and self.clock and r.random() < 0.4 else []))]
        step = max(1, 8 * freq // 10**9)
        packets = {name: [] for name, _, _ in files}
        for _ in range(r.choice([1, 3, 10, 30])):
            name, c, _ = r.choice(files)
            most = min((1 << c["stamp_bits"]) - 1, 1 << 40)
            last = c["last"].get(name, now)
            gap = r.choice([0, step, step + r.randrange(1000), step + r.getrandbits(20), step + r.getrandbits(36)])
            now = now + gap if now + gap - last <= most else last + max(step, most // 2) if last + max(step, most // 2) > now else now + step
            if now - last > most:  # its stamp would wrap twice
                continue
            c["last"][name] = now
            if not packets[name] or (c["has_context"] and r.random() < 0.2):
                packets[name].append([])
            packets[name][-1].append((now, r.choice(c["events"])))
        for name, c, instance in files:
            if not packets[name]:
                continue
            data = b"".join(self.packet(c, p, instance, uuid, head, n) for n, p in enumerate(packets[name]))
            with open(os.path.join(folder, name), "wb") as f:
                f.write(data)
        with open(os.path.join(folder, "metadata"), "w", encoding="latin-1") as f:
            f.write("".join(out))

    def stream(self, ident, has_header, out):
        r = self.r
        header, write_header, stamp_bits = self.make_header(self.clock)
        known = []
        context = None
        if r.random() < 0.85:
            size = self.plain(r.choice([32, 64]))
            context = [("packet_size", size), ("content_size", size)]
            if self.clock and (stamp_bits < 64 or r.random() < 0.8):
                context = [("timestamp_begin", self.plain(64, self.clock)), ("timestamp_end", self.plain(64, self.clock))] + context
            if r.random() < 0.5:
                context.append(("cpu_id", self.plain(32)))
            if r.random() < 0.5:
                context.append(("packet_seq_num", self.plain(64)))
            if r.random() < 0.5:
                context.append(("events_discarded", self.plain(64)))
            if r.random() < 0.4:
                context += self.members(1, r.randint(1, 3), [])
        elif stamp_bits < 64:
            header, write_header, stamp_bits = None, None, 64
            ident_type, time = self.plain(16), self.plain(64, self.clock)
            header = Struct([("id", ident_type), ("timestamp", time)], 1).tsdl()
            write_header = lambda bits, i, t: (bits.align(8), ident_type.put(bits, i), time.put(bits, t))
        text = "stream {"
        if has_header:
            text += f" id = {ident};"
        text += f" event.header := {header};"
        if context is not None:
            text += f" packet.context := {Struct(context, 1).tsdl()};"
        self.has_stamps = self.clock is not None and stamp_bits == 64
        common = None
        if r.random() < 0.4:
            common = Struct(self.members(1, r.randint(0, 3), []), 1)
            text += f" event.context := {common.tsdl()};"
            known = [(f"stream.event.context.{n}", t.key) for n, t in common.members if isinstance(t, Length)]
        out.append(text + " };\n")
        events = []
        for i in range(r.randint(1, 12)):
            # babeltrace2 2.0.4 ends with a failed assertion where an event's own context has sequences or variants.
            own = Struct(self.members(0, r.randint(0, 3), [], refers=False), 1) if r.random() < 0.3 else None
            fields = Struct(self.members(3, r.randint(0, 6), known), r.choice([1, 1, 8])) if r.random() < 0.93 else None
            text = f'event {{ id = {i};' + (f" stream_id = {ident};" if has_header else "")
            text += f' name = "ev{r.choice(["", ":", " ", "?"])}{i}";' + (" loglevel = 3;" if r.random() < 0.3 else "")
            if context is None:  # the file is the packet: it must end with the event
                fields = Struct((fields.members if fields else []) + [("last", Integer(8, 8, False, False))], 1)
            if own:
                text += f" context := {own.tsdl()};"
            if fields:
                text += f" fields := {fields.tsdl()};"
            out.append(text + " };\n")
            events.append((i, own, fields))
        self.has_stamps = False
        return {"id": ident, "write_header": write_header, "context": context, "common": common, "events": events, "stamp_bits": stamp_bits,
                "has_context": context is not None, "last": {}}

    def packet(self, c, events, instance, uuid, head, number):
        r = self.r
        seed = r.getrandbits(32)
        content = size = 0
        for _ in range(2):  # sizes stand in front of what they count
            self.r = r2 = random.Random(seed)
            bits, env = Bits(), {}
            values = {"magic": MAGIC, "stream_id": c["id"], "stream_instance_id": instance, "timestamp_begin": events[0][0], "timestamp_end": events[-1][0],
                      "packet_size": size, "content_size": content, "packet_seq_num": number, "events_discarded": 0, "cpu_id": instance}
            for scope in (head, c["context"] or []):
                if scope:
                    bits.align(max(t.align for _, t in scope))
                for name, t in scope:
                    if name == "uuid":
                        for byte in uuid:
                            bits.put(byte, 8, False)
                    elif name in values:
                        t.put(bits, values[name])
                    else:
                        t.write(bits, r2, env)
            for time, (ident, own, fields) in events:
                # The header's writer asks for a choice of its own.
                c["write_header"](bits, ident, time)
                for scope in (c["common"], own, fields):
                    if scope:
                        scope.write(bits, r2, env)
            content = bits.at
            pad = r2.choice([0, 0, 1, 64])
            size = ((content + 7) // 8 + pad) * 8 if c["has_context"] else (content + 7) // 8 * 8
        self.r = r
        return bytes(bits.data) + bytes(size // 8 - len(bits.data))


def equal(ours, theirs):
    """Equal but for texts of ours that are empty."""
    if ours == theirs:
        return True
    if ours.count(b'""') == 0:
        return False
    pattern = rb'"(?:[^"\\]|\\.)*"'.join(re.escape(part) for part in ours.split(b'""'))
    return re.fullmatch(pattern, theirs) is not None


def compare(ouro, folder, statuses=(0,)):
    """None, "refused: ..." or what differs. `statuses`: which ouro may end with."""
    environment = dict(os.environ, TZ="UTC")
    theirs = subprocess.run(["babeltrace2", folder], capture_output=True, env=environment)
    ours = subprocess.run([ouro, "print", "--format", "babeltrace", folder], capture_output=True, env=environment)
    if theirs.returncode != 0:
        causes = [line for line in theirs.stderr.decode(errors="replace").splitlines() if not line.startswith("CAUSED BY") and line.strip()]
        return "refused: " + "; ".join(causes[:3])
    if ours.returncode not in statuses:
        return "ouro: " + ours.stderr.decode(errors="replace")
    a, b = ours.stdout.split(b"\n"), theirs.stdout.split(b"\n")
    for i, (x, y) in enumerate(zip(a, b)):
        if not equal(x, y):
            return f"line {i + 1}:\n  ours   {x.decode(errors='replace')}\n  theirs {y.decode(errors='replace')}"
    return None if len(a) == len(b) else f"{len(a) - 1} lines, babeltrace2 has {len(b) - 1}"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("ouro")
    options.add_argument("count", type=int, nargs="?", default=0)
    options.add_argument("--traces", nargs="+")
    options.add_argument("--seed", type=int, default=1, help="the first one's")
    options.add_argument("--keep", help="where traces stay that differ")
    options = options.parse_args()
    if options.traces:
        results = [(trace, compare(options.ouro, trace)) for trace in options.traces]
        for trace, result in results:
            print(f"{trace}: {result or 'equal'}")
        sys.exit(any(result for _, result in results))
    base = tempfile.mkdtemp(prefix="ouro-random-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    differ, refused = [], []
    for seed in range(options.seed, options.seed + options.count):
        folder = os.path.join(base, "trace")
        os.mkdir(folder)
        Generator(seed).trace(folder)
        result = compare(options.ouro, folder)
        if result:
            (refused if result.startswith("refused") else differ).append(seed)
            if not result.startswith("refused") or options.keep:
                print(f"trace {seed}: {result}", flush=True)
            if options.keep:
                shutil.copytree(folder, os.path.join(options.keep, str(seed)), dirs_exist_ok=True)
        shutil.rmtree(folder)
    shutil.rmtree(base)
    print(f"{options.count} traces, {len(differ)} differ, {len(refused)} refused by babeltrace2: {refused[:20]}")
    sys.exit(1 if differ or len(refused) * 50 > options.count else 0)


if __name__ == "__main__":
    main()
