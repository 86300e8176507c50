#!/usr/bin/env python3
"""leveret-bench as a user meets it: help, wrong options, nobody there, a broker that refuses, and a counted run.

bench_test.py LEVERET_BENCH LEVERET
"""
import json
import pathlib
import select
import socket
import subprocess
import sys
import tempfile
import unittest

BENCH, LEVERET = sys.argv[1:3]
DEADLINE_S = 30


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


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
        cls.process.wait(DEADLINE_S)
        cls.process.stdout.close()
        cls.dir.cleanup()

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


if __name__ == "__main__":
    program = unittest.main(argv=sys.argv[:1], exit=False)
    bad = len(program.result.failures) + len(program.result.errors)
    print(f"{program.result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
