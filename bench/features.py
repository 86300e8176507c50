#!/usr/bin/env python3
"""What the features of queues cost a message: TTLs, limits, priorities, dead letters; and what a million that expire cost
their neighbours. Prints Markdown tables with the limits.

  bench/features.py [--only instructions|time|neighbour|lateness] [--runs N]

A message is counted once for each queue that it passes: one that is dead-lettered passes two, and is compared with two
that pass one. Instructions are callgrind's, the difference of a long and a short run; CPU time is the broker's, as a
ratio to a plain queue's with the same messages, of alternated runs.
"""
import argparse
import os
import pathlib
import random
import re
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from matrix import BUILD, Leveret, Target, free_port, load, verdict, wait_line

BURST = 500
SHORT, LONG = 10000, 30000
TIMED = 400000
NEIGHBOUR = "throughput --publishers 1 --consumers 1 --size 16 --window 20000 --queue neighbour-%d".split()
NEIGHBOUR_S = 4
MILLION = 1000000
FIRST_MS, EACH_MS = 10000, 0.01  # the first one's TTL, and how much later the next one is due
PART = 1000  # of the million: sent, and waited for, at a time
LOOKS_S, LATE_MS = 8, 50

# The message path itself: each message acknowledged, confirmed.
PATHS = [
    ("16 B", {}, {}, True, False, 1),
    ("1 KiB", {}, {"size": 1024}, True, False, 1),
    ("16 B, each acknowledged", {}, {"acks": True}, True, False, 1),
    ("16 B, each acknowledged and confirmed", {}, {"acks": True, "confirms": True}, True, False, 1),
    ("1 KiB, each acknowledged and confirmed", {}, {"size": 1024, "acks": True, "confirms": True}, True, False, 1),
]
# name, arguments of the queue, what each message carries, (is it consumed, is it dead-lettered), queues that it passes
SCENARIOS = [
    ("plain queue", {}, {}, True, False, 1),
    ("`x-message-ttl`, nothing expires", {"x-message-ttl": 3600000}, {}, True, False, 1),
    ("the message's own `expiration`", {}, {"expiration": "3600000"}, True, False, 1),
    ("`x-max-length`, not reached", {"x-max-length": 1000000}, {}, True, False, 1),
    ("`x-max-length`, reached: each message drops the head", {"x-max-length": 100}, {}, False, False, 1),
    ("`x-max-priority` of 10, priorities 0 to 9", {"x-max-priority": 10}, {"priorities": 10}, True, False, 1),
    ("the same, all of priority 5", {"x-max-priority": 10}, {"priority": 5}, True, False, 1),
    ("`x-max-priority` of 255, 200 priorities", {"x-max-priority": 255}, {"priorities": 200}, True, False, 1),
    ("dead-lettered by TTL 0, then consumed", {"x-message-ttl": 0}, {}, True, True, 2),
    ("the same, each message with an id of its own", {"x-message-ttl": 0}, {"ids": True}, True, True, 2),
    ("the same, each message with headers of its own", {"x-message-ttl": 0}, {"headers": True}, True, True, 2),
    ("the same, and a death before in its headers", {"x-message-ttl": 0}, {"headers": True, "deaths": True}, True, True, 2),
    ("dead-lettered by `x-max-length`, then consumed", {"x-max-length": 0}, {}, True, True, 2),
]
LIMIT = 1.25


# ---- a client that sends bytes made beforehand ----

def shortstr(text):
    return bytes([len(text)]) + text.encode()


def longstr(value):
    return struct.pack(">I", len(value)) + value


def field(value):
    """Type and value: a number, a text, a table, an array."""
    if isinstance(value, int):
        return b"l" + struct.pack(">q", value)
    if isinstance(value, dict):
        return b"F" + table(value)
    if isinstance(value, list):
        return b"A" + longstr(b"".join(field(item) for item in value))
    return b"S" + longstr(value.encode())


def table(fields):
    return longstr(b"".join(shortstr(name) + field(value) for name, value in fields.items()))


def frame(kind, channel, payload):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def method(class_id, method_id, arguments, channel=1):
    return frame(1, channel, struct.pack(">HH", class_id, method_id) + arguments)


def publish(queue, body, expiration=None, priority=None, message_id=None, headers=None):
    flags, properties = 0x1000, b"\x01"  # delivery-mode 1
    if headers is not None:
        flags, properties = flags | 0x2000, table(headers) + properties
    if priority is not None:
        flags, properties = flags | 0x0800, properties + bytes([priority])
    if expiration is not None:
        flags, properties = flags | 0x0100, properties + shortstr(expiration)
    if message_id is not None:
        flags, properties = flags | 0x0080, properties + shortstr(message_id)
    header = struct.pack(">HHQH", 60, 0, len(body), flags) + properties
    return (method(60, 40, b"\0\0" + shortstr("") + shortstr(queue) + b"\0") + frame(2, 1, header) + frame(3, 1, body))


DEATH = {"count": 1, "exchange": "", "queue": "elsewhere", "reason": "rejected", "routing-keys": ["elsewhere"], "time": 1}
DEATHS = {"x-death": [DEATH], "x-first-death-exchange": "", "x-first-death-queue": "elsewhere", "x-first-death-reason": "rejected"}


def message_of(i, kind):
    """The i-th of a burst, as the scenario's third part says."""
    priorities = kind.get("priorities")
    return publish("flow", b"0123456789abcdef" * (kind.get("size", 16) // 16), kind.get("expiration"), i * 7 % priorities if priorities else kind.get("priority"),
                   f"id-{i:06}" if kind.get("ids") else None,
                   {"id": f"{i:06}", **(DEATHS if kind.get("deaths") else {})} if kind.get("headers") else None)


class Wire:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.settimeout(120)
        self.buffer = bytearray()
        self.socket.sendall(b"AMQP\0\0\x09\x01")
        self.read(10, 10)
        self.socket.sendall(method(10, 11, table({}) + shortstr("PLAIN") + struct.pack(">I", 12) + b"\0guest\0guest"
                                   + shortstr("en_US"), 0))
        self.read(10, 30)
        self.socket.sendall(method(10, 31, struct.pack(">HIH", 2047, 131072, 0), 0) + method(10, 40, shortstr("/") + b"\0\0", 0))
        self.read(10, 41)
        self.call(20, 10, b"\0", 11)

    def frame(self):
        """The next one: its bytes."""
        while len(self.buffer) < 7 or len(self.buffer) < 8 + struct.unpack_from(">I", self.buffer, 3)[0]:
            self.more()
        size = 8 + struct.unpack_from(">I", self.buffer, 3)[0]
        one = bytes(self.buffer[:size])
        del self.buffer[:size]
        return one

    def more(self):
        got = self.socket.recv(1 << 18)
        if not got:
            raise SystemExit("the broker has closed the connection")
        self.buffer += got

    def read(self, class_id, method_id):
        while True:
            one = self.frame()
            if one[0] == 1 and struct.unpack_from(">HH", one, 7) == (class_id, method_id):
                return one
            if one[0] == 1 and struct.unpack_from(">HH", one, 7) in ((10, 50), (20, 40)):
                raise SystemExit(f"closed: {one[13:-1]}")

    def call(self, class_id, method_id, arguments, answer):
        self.socket.sendall(method(class_id, method_id, arguments))
        return self.read(class_id, answer)

    def declare(self, queue, arguments):
        self.call(50, 10, b"\0\0" + shortstr(queue) + b"\0" + table(arguments), 11)

    def count(self, queue):
        answer = self.call(50, 10, b"\0\0" + shortstr(queue) + b"\x01" + table({}), 11)
        return struct.unpack(">II", answer[-9:-1])[0]

    def consume(self, queue, is_acked):
        self.call(60, 20, b"\0\0" + shortstr(queue) + shortstr("c") + (b"\0" if is_acked else b"\x02") + table({}), 21)

    def delivery_size(self):
        """Of the next one, all its frames: the others are as long."""
        return sum(len(self.frame()) for _ in range(3))

    def skip(self, size):
        while len(self.buffer) < size:
            size -= len(self.buffer)
            self.buffer.clear()
            self.more()
        del self.buffer[:size]


class Flow:
    """One scenario on a broker: bursts of messages go in and come out."""

    def __init__(self, port, scenario):
        _, arguments, kind, self.is_consumed, is_dead, _ = scenario
        self.sender, self.receiver = Wire(port), Wire(port)
        if is_dead:
            self.sender.declare("dead", {})
            arguments = dict(arguments, **{"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "dead"})
        self.sender.declare("flow", arguments)
        self.burst = b"".join(message_of(i, kind) for i in range(BURST))
        self.is_acked, self.delivered = kind.get("acks"), 0
        if kind.get("confirms"):
            self.sender.call(85, 10, b"\0", 11)
        if self.is_consumed:
            self.receiver.consume("dead" if is_dead else "flow", self.is_acked)
            self.sender.socket.sendall(self.burst)
            self.size = self.receiver.delivery_size()
            self.receiver.skip(self.size * (BURST - 1))
            self.settle()

    def settle(self):
        """Acknowledges a burst, one by one."""
        first, self.delivered = self.delivered + 1, self.delivered + BURST
        if self.is_acked:
            self.receiver.socket.sendall(b"".join(method(60, 80, struct.pack(">QB", tag, 0))
                                                  for tag in range(first, first + BURST)))

    def run(self, messages):
        for _ in range(messages // BURST):
            self.sender.socket.sendall(self.burst)
            if self.is_consumed:
                self.receiver.skip(self.size * BURST)
                self.settle()
        self.sender.count("flow")


# ---- instructions ----

class Counted(Target):
    """Leveret under callgrind."""

    def __init__(self):
        self.dir = tempfile.TemporaryDirectory(prefix="leveret-bench.")
        self.port, self.out = free_port(), f"{self.dir.name}/callgrind.out"
        with open(f"{self.dir.name}/bench.conf", "w", encoding="ascii") as f:
            f.write("log.console = false\n")
        self.process = subprocess.Popen(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.out}", BUILD / "leveret", "--shards", "1", "--config",
             f"{self.dir.name}/bench.conf", "--data-dir", f"{self.dir.name}/data", "--listen", f"127.0.0.1:{self.port}"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        wait_line(self.process, "ready", 120)

    def instructions(self):
        self.stop()
        with open(self.out, encoding="ascii", errors="replace") as f:
            return int(re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M).group(1))


def counted(scenario, messages):
    broker = Counted()
    Flow(broker.port, scenario).run(messages)
    return broker.instructions()


def plain_kind(scenario):
    """What its messages are in a plain queue, which one with an expiration does not leave plain."""
    return {key: value for key, value in scenario[2].items() if key != "expiration"}


def per_message(scenario):
    return (counted(scenario, LONG) - counted(scenario, SHORT)) / (LONG - SHORT) / scenario[-1]


def instructions():
    print("\n| instructions a message | |\n|---|---|", flush=True)
    for path in PATHS:
        print(f"| {path[0]} | {per_message(path):,.0f} |", flush=True)
    print("\n| instructions for each queue that a message passes | | times a plain queue's | with the same messages |\n|---|---|---|---|",
          flush=True)
    plain = {}

    def plain_of(kind):
        """A plain queue's, of such messages."""
        key = repr(kind)
        if key not in plain:
            plain[key] = per_message(("", {}, kind, True, False, 1))
        return plain[key]

    for scenario in SCENARIOS:
        kind = plain_kind(scenario)
        value = per_message(scenario) if scenario[1] or scenario[2] else plain_of({})
        print(f"| {scenario[0]} | {value:,.0f} | {value / plain_of({}):.2f} | "
              f"{verdict(round(value / plain_of(kind), 2), LIMIT, True)}: {value / plain_of(kind):.2f} |", flush=True)


# ---- time ----

def cpu_s(pid):
    """Of all threads, to the nanosecond: a clock of 10 ms is a sixth of a run."""
    return sum(int(path.read_text().split()[0]) for path in pathlib.Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def timed(scenario):
    """Broker CPU in us, for each queue that a message passes."""
    broker = Leveret(["--shards", "1"])
    flow = Flow(broker.port, scenario)
    before = cpu_s(broker.pid)
    flow.run(TIMED)
    value = (cpu_s(broker.pid) - before) / TIMED / scenario[-1] * 1e6
    broker.stop()
    return value


def times(runs):
    print(f"\n| broker CPU for each queue that a message passes, medians of {runs} alternated pairs | us | times a plain queue's with the same messages |"
          "\n|---|---|---|", flush=True)
    for scenario in SCENARIOS[1:]:
        plain = ("", {}, plain_kind(scenario), True, False, 1)
        pairs = [(timed(plain), timed(scenario)) for _ in range(runs)]
        ratio = statistics.median(b / a for a, b in pairs)
        value = statistics.median(b for _, b in pairs)
        print(f"| {scenario[0]} | {value:.3f} | {verdict(round(ratio, 2), LIMIT, True)}: {ratio:.2f} |", flush=True)


# ---- a million that expire ----

def million(queues):
    """All of it as bytes: due one after the other, over the queues by turns."""
    return b"".join(publish(f"expiring-{i % queues}", b"0123456789abcdef", str(int(FIRST_MS + i * EACH_MS)))
                    for i in range(MILLION))


def neighbour(runs):
    print(f"\n| broker CPU per message of a neighbour while a million expire, 100,000 a second, medians of {runs} alternated pairs |"
          " us, without | with | ratio |\n|---|---|---|---|", flush=True)
    for queues in (1, 10000):
        block, pairs, spans = million(queues), [], []
        for _ in range(runs):
            broker = Leveret(["--shards", "1"])
            alone = load(broker, NEIGHBOUR, NEIGHBOUR_S)["broker_cpu_us_per_msg"]
            wire = Wire(broker.port)
            for i in range(queues):
                wire.declare(f"expiring-{i}", {})
            wire.socket.sendall(block)
            wire.count("expiring-0")
            while sum(wire.count(f"expiring-{i}") for i in range(min(queues, 10))) == MILLION * min(queues, 10) // queues:
                pass  # until the first one is due
            before = sum(wire.count(f"expiring-{i}") for i in range(min(queues, 100)))
            pairs.append((alone, load(broker, NEIGHBOUR, NEIGHBOUR_S)["broker_cpu_us_per_msg"]))
            spans.append(before - sum(wire.count(f"expiring-{i}") for i in range(min(queues, 100))))
            broker.stop()
        ratio = statistics.median(b / a for a, b in pairs)
        least = min(spans) * max(1, queues // 100)
        print(f"| in {queues:,} queue{'s' if queues > 1 else ''}, at least {least:,} of them meanwhile | "
              f"{statistics.median(a for a, _ in pairs):.3f} | {statistics.median(b for _, b in pairs):.3f} | "
              f"{verdict(round(ratio, 2), 1.1, True)}: {ratio:.2f} |", flush=True)


def filled(wire, queues):
    """The million, in parts; when each of them began to be sent: none of its messages came earlier."""
    for i in range(queues):
        wire.declare(f"expiring-{i}", {})
    began = []
    for first in range(0, MILLION, PART):
        block = b"".join(publish(f"expiring-{i % queues}", b"0123456789abcdef", str(int(FIRST_MS + i * EACH_MS)))
                         for i in range(first, first + PART))
        began.append(time.monotonic())
        wire.socket.sendall(block)
        wire.count("expiring-0")
    return began


def lateness():
    """How long past its time the first message of a queue is still counted. At most: a look takes a round trip, which counts as late."""
    print("\n| looks while a million expire, 100,000 a second: ms past its time, at most | looks | median | p99 | most |"
          "\n|---|---|---|---|---|", flush=True)
    for queues in (1, 10000):
        broker = Leveret(["--shards", "1"])
        wire = Wire(broker.port)
        began, each, late = filled(wire, queues), MILLION // queues, []
        while wire.count("expiring-0") == each:
            pass  # until the first one is due
        until = time.monotonic() + LOOKS_S
        while time.monotonic() < until:
            queue = random.randrange(queues)
            left = wire.count(f"expiring-{queue}")
            first = (each - left) * queues + queue
            if left:
                late.append((time.monotonic() - began[first // PART]) * 1000 - int(FIRST_MS + first * EACH_MS))
        broker.stop()
        late.sort()
        print(f"| in {queues:,} queue{'s' if queues > 1 else ''} | {len(late):,} | {statistics.median(late):.1f} | {late[len(late) * 99 // 100]:.1f} | "
              f"{verdict(round(late[-1], 1), LATE_MS, True)}: {late[-1]:.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("instructions", "time", "neighbour", "lateness"))
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    if options.only in (None, "instructions"):
        instructions()
    if options.only in (None, "time"):
        times(options.runs)
    if options.only in (None, "neighbour"):
        neighbour(options.runs)
    if options.only in (None, "lateness"):
        lateness()


if __name__ == "__main__":
    sys.exit(main())
