#!/usr/bin/env python3
"""What persistence costs: memory, restarts, disk bytes, latency. Prints Markdown tables with the limits.

bench/run calls storage() with short versions; by itself:  bench/storage.py [--messages 50000000] [--dir DIR] [--only TEXT]
"""
import json
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from matrix import BUILD, free_port, load, verdict, wait_line

DRAIN = "--publishers 0 --ack-every 1 --prefetch 2000 --as-is"
IN_MEMORY_MAX = 3_000_000  # messages that the drain in memory is measured with, at most
SLICES = 5


class Node:
    """A node that can be killed and started again on what it kept."""

    name = "leveret"

    def __init__(self, where=None, arguments=()):
        self.dir = tempfile.mkdtemp(prefix="leveret-bench.", dir=where)
        self.arguments, self.port = arguments, free_port()
        self.log = pathlib.Path(self.dir, "bench.log")
        pathlib.Path(self.dir, "bench.conf").write_text(f"log.console = false\nlog.file = {self.log}\n", encoding="ascii")
        self.start()
        self.idle_bytes = self.rss()

    def start(self):
        begun = time.monotonic()
        self.process = subprocess.Popen(
            [BUILD / "leveret", "--config", f"{self.dir}/bench.conf", "--data-dir", f"{self.dir}/data", "--listen",
             f"127.0.0.1:{self.port}", *self.arguments], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        wait_line(self.process, "ready", 600)
        self.options = ["--port", str(self.port), "--pid", str(self.process.pid)]
        return time.monotonic() - begun

    def rss(self, field="VmRSS"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(re.search(rf"{field}:\s+(\d+)", status).group(1))

    def end(self, how):
        self.process.send_signal(how)
        self.process.wait(120)
        self.process.stdout.close()

    def load(self, options, duration=None):
        return load(self, options.split(), duration, 3600)

    def stop(self):
        self.end(signal.SIGTERM)
        log = self.log.read_text(errors="replace")
        shutil.rmtree(self.dir)
        return log


def row(*cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def megabytes(count):
    return f"{count / 1e6:.1f} MB"


def deep(messages, where, extra):
    """Published, killed, started, drained: none of it may need memory."""
    print(f"\n| {messages:,} messages of 100 bytes, persistent | | limit |\n|---|---|---|")
    node = Node(where, extra)
    got = node.load(f"throughput --consumers 0 --size 100 --persistent --confirms 10000 --messages {messages} --keep")
    row("published and confirmed a second", f"{got['confirmed_per_s']:,.0f}", "")
    grown = node.rss() - node.idle_bytes
    row("memory above idle at the end of publishing", megabytes(grown), verdict(round(grown / 1e6, 1), 40, True))
    row("the most while publishing", megabytes(node.rss("VmHWM") - node.idle_bytes), "")
    starts, grown = [], 0
    for _ in range(3):
        node.end(signal.SIGKILL)
        starts.append(node.start())
        grown = max(grown, node.rss() - node.idle_bytes)
    start_s = statistics.median(starts)
    row("restart after kill -9, to ready: median of three", f"{start_s:.2f} s ({min(starts):.2f} to {max(starts):.2f})",
        verdict(round(start_s, 2), 1 if messages <= 5e6 else 3, True))
    row("memory above idle then", megabytes(grown), verdict(round(grown / 1e6, 1), 40, True))
    node.load(f"throughput {DRAIN} --persistent --messages {messages // 2} --keep")
    row("the most while starting and draining half of it", megabytes(node.rss("VmHWM") - node.idle_bytes), "")
    drain_beside_memory(node, messages - messages // 2)
    node.stop()


def drain_beside_memory(node, left):
    """What is left on disk, and as much in memory, in slices by turns."""
    disk, memory = left // SLICES * 9 // 10, min(left, IN_MEMORY_MAX) // SLICES
    node.load(f"throughput --consumers 0 --size 100 --messages {memory * SLICES} --keep --queue in-memory")
    rates, cpu = [], []
    for _ in range(SLICES):
        here = node.load(f"throughput {DRAIN} --messages {memory * 9 // 10} --queue in-memory --keep")
        there = node.load(f"throughput {DRAIN} --persistent --messages {disk} --keep")
        rates.append((there["received_per_s"], here["received_per_s"]))
        cpu.append((there["broker_cpu_us_per_msg"], here["broker_cpu_us_per_msg"]))
    row("drained a second from disk; from memory", "; ".join(f"{statistics.median(r):,.0f}" for r in zip(*rates)), "")
    ratio = statistics.median(a / b for a, b in rates)
    row("ratio", f"{ratio:.2f}", verdict(round(ratio, 2), 0.5, False))
    row("broker CPU a message from disk; from memory", "; ".join(f"{statistics.median(c):.3f} us" for c in zip(*cpu)), "")


def disk_bytes(messages, where, extra):
    """The log counts its batches with their padding, segments all of theirs; log files written through beforehand do
    not count. Without a consumer everything is written twice; with one that acks late nothing can be elided."""
    print("\n| disk bytes for each byte of body | log | segments | together | limit |\n|---|---|---|---|---|")
    for name, options, limits in (("short queue", "--ack-every 1000 --prefetch 2000", {1024: 1.3}),
                                  ("deep queue", "--consumers 0", {1024: 2.5})):
        for size in (1024, 100):
            node = Node(where, extra)
            got = node.load(f"throughput --size {size} --persistent --confirms 10000 --messages {messages} {options}")
            found = re.findall(r"wrote (\d+) bytes of log in \d+ batches \((\d+) messages .*?and (\d+) bytes of segments",
                               node.stop())
            log, elided, segments = (sum(int(f[i]) for f in found) for i in range(3))
            payload = (got["published"] - elided) * size
            row(f"{name}, {size:,} B, 10,000 in flight", f"{log / payload:.2f}", f"{segments / payload:.2f}",
                f"{(log + segments) / payload:.2f}", verdict(round((log + segments) / payload, 2), limits.get(size), True))


def many_queues(runs, duration, where, extra):
    node = Node(where, extra)
    one, many = [], []
    for _ in range(runs):
        for got, n in ((one, 1), (many, 100)):
            got.append(node.load(f"throughput --publishers {n} --consumers {n} --queues {n} --size 100 --persistent --confirms 1"
                                 " --ack-every 1", duration)["confirmed_per_s"])
    node.stop()
    one, many = statistics.median(one), statistics.median(many)
    print("\n| one confirm in flight on each of | confirms/s | limit |\n|---|---|---|")
    row("1 durable queue", f"{one:,.0f}", "")
    row("100 durable queues", f"{many:,.0f}", "")
    row("ratio", f"{many / one:.1f}", verdict(many / one, 20, False))


def declarations(count, where, extra):
    node = Node(where, extra)
    got = node.load(f"queues --count {count} --durable --keep")
    node.end(signal.SIGKILL)
    start_s = node.start()
    grown = node.rss() - node.idle_bytes
    node.stop()
    print("\n| durable declarations, pipelined on one channel | | limit |\n|---|---|---|")
    row("declared a second", f"{got['declared_per_s']:,.0f}", verdict(got["declared_per_s"], 5000, False))
    row(f"restart after kill -9 with {count:,} queues, to ready", f"{start_s:.2f} s", verdict(round(start_s, 2), 1, True))
    row("memory of each then", f"{grown / count:.0f} bytes", "")


def confirm_latency(runs, where, extra):
    """Alternately: a bare sync on the same disk, and confirms at 2,000 a second."""
    node = Node(where, extra)
    bare, confirms = [], []
    for _ in range(runs):
        done = subprocess.run([BUILD / "bench" / "fsync", node.dir, "3"], capture_output=True, text=True, check=True)
        bare.append(json.loads(done.stdout))
        confirms.append(node.load("latency --size 1024 --rate 2000 --persistent --confirms 10000 --ack-every 1", 4))
    node.stop()
    print("\n| 2,000 persistent messages a second, 1 KiB | p50 us | p99 us | limit |\n|---|---|---|---|")
    sync = {p: statistics.median(b[p] for b in bare) for p in ("p50", "p99")}
    confirm = {p: statistics.median(c[f"confirm_{p}"] for c in confirms) for p in ("p50", "p99")}
    row("bare fdatasync of 4 KiB", f"{sync['p50']:.0f}", f"{sync['p99']:.0f}", "")
    row("confirm", f"{confirm['p50']:.0f}", f"{confirm['p99']:.0f}", "")
    ratio = statistics.median(c["confirm_p99"] / b["p99"] for b, c in zip(bare, confirms))
    row("ratio", f"{confirm['p50'] / sync['p50']:.1f}", f"{ratio:.1f}", verdict(ratio, 3, True))


def storage(messages=1_000_000, runs=3, duration=3, where=None, extra=(), only=""):
    for name, run in (("confirm latency", lambda: confirm_latency(runs, where, extra)),
                      ("many queues", lambda: many_queues(runs, duration, where, extra)),
                      ("declarations", lambda: declarations(100_000, where, extra)),
                      ("disk bytes", lambda: disk_bytes(min(messages, 400_000), where, extra)),
                      ("deep", lambda: deep(messages, where, extra))):
        if only in name:
            run()


def main():
    import argparse
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--messages", type=int, default=5_000_000, help="of the deep queue [5000000]")
    p.add_argument("--runs", type=int, default=3, help="of what is compared alternately [3]")
    p.add_argument("--duration", type=float, default=3, help="seconds of each of those [3]")
    p.add_argument("--dir", help="where the data directories are made [the system's for temporary files]")
    p.add_argument("--only", default="", help="figures whose name has this text: confirm latency, many queues, declarations,"
                   " disk bytes, deep")
    arguments = p.parse_args()
    storage(arguments.messages, arguments.runs, arguments.duration, arguments.dir, (), arguments.only)


if __name__ == "__main__":
    sys.exit(main())
