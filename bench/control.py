#!/usr/bin/env python3
"""What an operator's command costs: how long a call takes, a list of 100,000 queues, and what lists cost those who publish.

Part of bench/run; alone: bench/control.py [--shards N].
"""
import os
import statistics
import subprocess
import sys
import threading
import time

from matrix import BUILD, Leveret, load, verdict

CALLS = 101
PAIRS = 9
QUEUES = 100000
LOAD = "throughput --publishers 2 --consumers 2 --size 1024 --window 4000 --duration 4".split()


def tool(broker, *words):
    """Seconds of one call, and what it printed."""
    begun = time.monotonic()
    done = subprocess.run([BUILD / "leveretctl", "-q", *words], capture_output=True, text=True, check=True,
                          env={**os.environ, "LEVERET_DATA_DIR": broker.dir.name})
    return time.monotonic() - begun, done.stdout


def cpu_s(broker):
    with open(f"/proc/{broker.pid}/stat", encoding="ascii", errors="replace") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def calls(extra):
    broker = Leveret(extra)
    print("\n| a call, median of 101 | ms | budget | the broker's CPU, ms |\n|---|---|---|---|")
    for words in (["ping"], ["list_users"], ["list_queues"], ["list_queues", "--formatter", "json"]):
        before = cpu_s(broker)
        value = statistics.median(tool(broker, *words)[0] for _ in range(CALLS)) * 1000
        cpu = (cpu_s(broker) - before) / CALLS * 1000
        print(f"| {' '.join(words)} | {value:.1f} | {verdict(value, 20, True)} | {cpu:.2f} |", flush=True)
    broker.stop()


def lists(extra):
    broker = Leveret(extra)
    load(broker, ["queues", "--count", str(QUEUES), "--keep"])
    rows = tool(broker, "list_queues")[1].count("\n") - 1
    value = statistics.median(tool(broker, "list_queues", "name", "messages")[0] for _ in range(5))
    print(f"\nA list of {rows:,} queues: {value:.2f} s ({verdict(value, 1, True)})", flush=True)
    broker.stop()


def listing(broker, is_over):
    while not is_over.wait(1):
        tool(broker, "list_queues")


def burden(extra):
    """Broker CPU per message with a list each second, as a ratio to without, alternately."""
    broker, ratios = Leveret(extra), []
    for _ in range(PAIRS):
        quiet = load(broker, LOAD)["broker_cpu_us_per_msg"]
        is_over = threading.Event()
        lister = threading.Thread(target=listing, args=(broker, is_over))
        lister.start()
        asked = load(broker, LOAD)["broker_cpu_us_per_msg"]
        is_over.set()
        lister.join()
        ratios.append(asked / quiet)
    value = statistics.median(ratios)
    print(f"\nBroker CPU per message while list_queues runs each second: times {value:.3f} of without "
          f"({verdict(value, 1.03, True)}; median of {PAIRS} alternated pairs)", flush=True)
    broker.stop()


def control(extra=()):
    calls(extra)
    lists(extra)
    burden(extra)


if __name__ == "__main__":
    control(["--shards", sys.argv[2]] if sys.argv[1:2] == ["--shards"] else [])
