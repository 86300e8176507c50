"""The matrix of workloads, and what it takes to run it against any of three things: Leveret, the relay, RabbitMQ.

Used by bench/run and bench/versus. A row is a list of leveret-bench options and the figure that counts; targets are
measured alternately, and medians are compared.
"""
import json
import os
import pathlib
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "release"


class Row:
    """budget: times the relay's CPU (cpu) or times RabbitMQ's rate (rate); None: only reported."""

    def __init__(self, name, options, cpu=None, rate=None, relay=True, rabbitmq=True):
        self.name, self.options = name, ["throughput"] + options.split()
        self.cpu, self.rate, self.relay, self.rabbitmq = cpu, rate, relay, rabbitmq


def pairs(n):
    return f"--publishers {n} --consumers {n}"


ACKS = "--ack-every 1 --prefetch 2000"
MATRIX = [
    Row("1 pair, 16 B", f"{pairs(1)} --size 16 --window 20000", cpu=8, rate=20),
    Row("10 pairs, 16 B", f"{pairs(10)} --size 16 --window 4000", cpu=8, rate=20),
    Row("1 pair, 1 KiB", f"{pairs(1)} --size 1024 --window 4000", cpu=2.5, rate=8),
    Row("10 pairs, 1 KiB", f"{pairs(10)} --size 1024 --window 1000", cpu=2.5, rate=8),
    Row("1 pair, 64 KiB", f"{pairs(1)} --size 65536 --window 100", cpu=1.5),
    Row("10 pairs, 64 KiB", f"{pairs(10)} --size 65536 --window 20", cpu=1.5),
    Row("1 pair, 16 B, acks and confirms", f"{pairs(1)} --size 16 --confirms 10000 {ACKS}", cpu=12),
    Row("10 pairs, 16 B, acks and confirms", f"{pairs(10)} --size 16 --confirms 2000 {ACKS}", cpu=12),
    Row("1 pair, 1 KiB, acks and confirms", f"{pairs(1)} --size 1024 --confirms 2000 {ACKS}", cpu=3.5),
    Row("10 pairs, 1 KiB, acks and confirms", f"{pairs(10)} --size 1024 --confirms 1000 {ACKS}", cpu=3.5),
    Row("500 pairs, 16 B", f"{pairs(500)} --size 16 --window 100", cpu=4),
    Row("500 pairs, 1 KiB", f"{pairs(500)} --size 1024 --window 100", cpu=3.5),
    Row("500 pairs, 16 B, acks and confirms", f"{pairs(500)} --size 16 --confirms 100 {ACKS}", cpu=6),
    Row("500 pairs, 1 KiB, acks and confirms", f"{pairs(500)} --size 1024 --confirms 100 {ACKS}", cpu=4.5),
    Row("fan-out 1 to 10 queues, 16 B",
        "--publishers 1 --consumers 10 --queues 10 --exchange bench-fanout --exchange-type fanout --size 16"
        " --window 4000", rate=25, relay=False),
    # RabbitMQ confirms without having synced
    Row("1 pair, 1 KiB, persistent, 100 in flight", f"{pairs(1)} --size 1024 --persistent --confirms 100 {ACKS}",
        rate=5, relay=False),
    Row("1 pair, 1 KiB, persistent, 10,000 in flight", f"{pairs(1)} --size 1024 --persistent --confirms 10000"
        f" --window 20000 {ACKS}", rate=12, relay=False),
]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_line(process, word, seconds=60):
    """The first line of the process's output with that word; the rest is left unread."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        if not line:
            break
        if word in line:
            return line
    raise SystemExit(f"{process.args[0]} did not get ready")


class Target:
    """Something that leveret-bench can load: `options` say where it is."""

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Leveret(Target):
    name = "leveret"

    def __init__(self, arguments=()):
        self.dir = tempfile.TemporaryDirectory(prefix="leveret-bench.")
        self.port = free_port()
        config = pathlib.Path(self.dir.name, "bench.conf")
        config.write_text("log.console = false\n", encoding="ascii")
        begun = time.monotonic()
        self.process = subprocess.Popen(
            [BUILD / "leveret", "--config", config, "--data-dir", self.dir.name, "--listen", f"127.0.0.1:{self.port}", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        wait_line(self.process, "ready")
        self.start_s = time.monotonic() - begun
        self.pid = self.process.pid
        self.options = ["--port", str(self.port), "--pid", str(self.pid)]


class Relay(Target):
    name = "relay"

    def __init__(self):
        self.port = free_port()
        self.process = subprocess.Popen([BUILD / "bench" / "relay", f"127.0.0.1:{self.port}"],
                                        stdout=subprocess.PIPE, text=True)
        wait_line(self.process, "ready")
        self.options = ["--port", str(self.port), "--pid", str(self.process.pid), "--relay"]


class Rabbitmq(Target):
    name = "rabbitmq"

    def __init__(self):
        begun = time.monotonic()
        self.process = subprocess.Popen([ROOT / "test" / "oracle", "/bin/true"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env={**os.environ, "ORACLE_KEEP": "1"})
        line = wait_line(self.process, "rabbitmq on port", 150)
        self.start_s = time.monotonic() - begun
        port, node = re.search(r"port (\d+), node (\S+),", line).groups()
        self.pid = find_process("beam.smp", f"RABBITMQ_NODENAME={node}")
        self.options = ["--port", port, "--pid", str(self.pid)]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(60)


def find_process(command, variable):
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "comm").read_text().strip() == command \
                    and variable.encode() in (entry / "environ").read_bytes().split(b"\0"):
                return int(entry.name)
        except OSError:
            pass
    raise SystemExit(f"no process {command} with {variable}")


def load(target, options, duration=None, seconds=300):
    """One run of leveret-bench; its figures as a dictionary."""
    if isinstance(target, Relay):
        options = relay_options(options)
    command = [BUILD / "leveret-bench", *options, *target.options, "--json"]
    if duration:
        command += ["--duration", str(duration)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    if done.returncode != 0:
        raise SystemExit(f"{target.name}: {' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def relay_options(options):
    """The relay knows no acks and no confirms: as many messages are under way, and nothing comes back."""
    out, words = [], iter(options)
    for word in words:
        if word in ("--ack-every", "--prefetch"):
            next(words)
        else:
            out.append("--window" if word == "--confirms" else word)
    return out


def alternate(row, targets, runs, duration):
    """name of target -> {figure: median}; the targets take turns, so that a change of the machine hits all."""
    results = {t.name: [] for t in targets}
    for _ in range(runs):
        for t in targets:
            results[t.name].append(load(t, row.options, duration))
    return {name: {key: statistics.median(r[key] for r in runs_) for key in runs_[0] if key != "scenario"}
            for name, runs_ in results.items()}


def parse_arguments(description):
    import argparse
    p = argparse.ArgumentParser(description=description)
    p.add_argument("--runs", type=int, default=3, help="runs of each target in each row [3]")
    p.add_argument("--duration", type=float, default=3, help="seconds of each run [3]")
    p.add_argument("--only", default="", help="rows whose name has this text")
    p.add_argument("--shards", help="for leveret")
    arguments = p.parse_args()
    for program in ("leveret", "leveret-bench", "bench/relay"):
        if not (BUILD / program).exists():
            raise SystemExit(f"{BUILD / program} is not built: make release")
    return arguments


def verdict(value, limit, most):
    if limit is None:
        return ""
    return ("within" if (value <= limit if most else value >= limit) else "OUTSIDE") + f" {limit}"
