#!/usr/bin/env python3
"""leveret-bench as a user meets it: help, wrong options, nobody there, a broker that refuses, and a counted run.

bench_test.py LEVERET_BENCH LEVERET
"""
import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))
from ports import free_port  # noqa: E402  (its place is known only now)

BENCH, LEVERET = sys.argv[1:3]
DEADLINE_S = 30


def bench(*words):
    return subprocess.run([BENCH, *map(str, words)], capture_output=True, text=True, timeout=DEADLINE_S, check=False)


class CommandLine(unittest.TestCase):
    def test_help_names_scenarios_and_options_and_succeeds(self):
        done = bench("--help")
        self.assertEqual(done.returncode, 0, done)
        for word in ("throughput", "latency", "churn", "--publishers N", "--json"):
            self.assertIn(word, done.stdout)

    def test_wrong_words_are_named_and_end_with_2(self):
        for words, expected in ((["nope"], "no scenario 'nope'"), ([], "which scenario?"),
                                (["throughput", "--nope"], "unknown option '--nope'"),
                                (["throughput", "--size", "x"], "--size takes a whole number, not 'x'")):
            done = bench(*words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn(expected, done.stderr)

    def test_nobody_at_the_port_is_said(self):
        port = free_port()
        done = bench("throughput", "--port", port)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"cannot connect to 127.0.0.1:{port}: Connection refused", done.stderr)


class WithBroker(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory(prefix="leveret-bench-test.")
        cls.port = free_port()
        config = pathlib.Path(cls.dir.name, "bench.conf")
        config.write_text("leveret.shards = 1\nlog.console = false\n", encoding="ascii")
        cls.process = subprocess.Popen([LEVERET, "--config", config, "--data-dir", cls.dir.name, "--listen",
                                        f"127.0.0.1:{cls.port}"], stdout=subprocess.PIPE)
        if not select.select([cls.process.stdout], [], [], DEADLINE_S)[0]:
            raise RuntimeError("the broker did not get ready")
        cls.process.stdout.readline()

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        code = cls.process.wait(DEADLINE_S)
        cls.process.stdout.close()
        cls.dir.cleanup()
        if code:  # of a sanitizer, or of a crash
            raise AssertionError(f"the broker ended with exit code {code}")

    def test_what_the_broker_refuses_is_told_in_its_words(self):
        for words, expected in ((["--user", "wrong"], "403 ACCESS_REFUSED"),
                                (["--vhost", "none"], "vhost none not found"),
                                (["--queue", "amq.x"], "403 ACCESS_REFUSED"),
                                (["--exchange", "none"], "404 NOT_FOUND - no exchange 'none'")):
            done = bench("throughput", "--port", self.port, "--duration", 0.1, *words)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn(expected, done.stderr)

    def test_a_counted_run_ends_when_its_messages_have_arrived(self):
        for messages in (1, 10, 5000):
            done = bench("throughput", "--port", self.port, "--messages", messages, "--verify", "--json")
            self.assertEqual(done.returncode, 0, done)
            figures = json.loads(done.stdout)
            self.assertEqual((figures["published"], figures["received"]), (messages, messages))

    def figures(self, *words):
        done = bench(*words, "--port", self.port, "--pid", self.process.pid, "--json")
        self.assertEqual(done.returncode, 0, done)
        return json.loads(done.stdout)

    def test_a_run_with_everything_at_a_rate(self):
        got = self.figures(
            "throughput", "--publishers", 2, "--consumers", 2, "--size", 64, "--confirms", 100, "--ack-every", 10,
            "--prefetch", 100, "--persistent", "--rate", 1000, "--messages", 500, "--exchange", "bench-x",
            "--exchange-type", "topic", "--key", "r.%d", "--queue", "bench-q.%d", "--verify")
        self.assertEqual((got["published"], got["received"], got["out_of_order"], got["nacked"]), (1000, 1000, 0, 0))
        self.assertLess(got["published_per_s"], 4000)
        self.assertGreater(got["broker_cpu_us_per_msg"], 0)

    def test_lost_messages_are_noticed(self):
        """What stayed from a run before stands where the numbers of this one are expected."""
        bench("throughput", "--port", self.port, "--messages", 5, "--consumers", 0, "--verify", "--keep")
        done = bench("throughput", "--port", self.port, "--messages", 10, "--verify", "--as-is", "--json")
        self.assertEqual(done.returncode, 1, done)
        self.assertGreater(json.loads(done.stdout)["out_of_order"], 0)

    def test_without_publishers_what_is_there_is_consumed(self):
        bench("throughput", "--port", self.port, "--messages", 3000, "--consumers", 0, "--persistent", "--confirms",
              100, "--queue", "bench-deep", "--keep")
        got = self.figures("throughput", "--publishers", 0, "--messages", 3000, "--as-is", "--queue", "bench-deep",
                           "--ack-every", 1, "--durable")
        self.assertEqual((got["published"], got["received"]), (0, 3000))
        self.assertGreater(got["received_per_s"], 0)

    def test_latency_of_confirms(self):
        got = self.figures("latency", "--rate", 1000, "--duration", 0.5, "--persistent", "--confirms", 100)
        self.assertGreater(got["confirm_p99"], 0)

    def test_latency_has_percentiles(self):
        got = self.figures("latency", "--rate", 1000, "--duration", 0.5)
        ages = [got[f"delivery_{p}"] for p in ("p50", "p95", "p99", "p99.9", "max")]
        self.assertEqual(ages, sorted(ages))
        self.assertGreater(ages[0], 0)

    def test_connections_queues_and_churn_are_counted(self):
        self.assertEqual(self.figures("connections", "--count", 20)["connections"], 20)
        self.assertEqual(self.figures("queues", "--count", 20)["queues"], 20)
        for kind in ("connection", "channel", "queue", "bind"):
            self.assertGreater(self.figures("churn", "--kind", kind, "--duration", 0.2)["cycles_per_s"], 0, kind)

    def test_progress_is_shown_beside_the_table(self):
        done = bench("throughput", "--port", self.port, "--duration", 1.5, "--rate", 1000, "--progress")
        self.assertEqual(done.returncode, 0, done)
        self.assertRegex(done.stderr, r"published \d+/s +confirmed \d+/s +received \d+/s")
        self.assertRegex(done.stdout, r"received_per_s +\d+ msg/s")


if __name__ == "__main__":
    program = unittest.main(argv=sys.argv[:1], exit=False)
    bad = len(program.result.failures) + len(program.result.errors)
    print(f"{program.result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
