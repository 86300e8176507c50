#!/usr/bin/env python3
"""Lists of a node with 100,000 queues: complete while things come and go, in slices for others, in little memory for a client that
does not read.

list_test.py LEVERET
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest

from control_test import Control, Failure, Node, free_port, pika

QUEUES, BINDINGS = 100_000, 20_000
DEADLINE_S = 60
MEMORY_MAX = 16 << 20  # what a list may cost at most, whoever reads it
PING_MAX_S = 2  # for others, while it runs


def rss(pid):
    pages = pathlib.Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096


class Lists(unittest.TestCase):
    """One node for all: it takes a while to fill."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory(prefix="leveret-list.")
        cls.data = cls.dir.name + "/data"
        cls.node = Node(cls.data).ready()
        cls.connection = cls.node.connect()
        cls.channel = cls.connection.channel()
        for i in range(QUEUES):
            cls.declare(f"q{i}")
        for i in range(BINDINGS):
            cls.tell(pika.spec.Queue.Bind(queue="q0", exchange="amq.topic", routing_key=f"key.{i}", nowait=True))
        cls.settle()

    @classmethod
    def tearDownClass(cls):
        cls.connection.close()
        code = cls.node.end()
        cls.dir.cleanup()
        if code:  # of a sanitizer, or of a crash
            raise AssertionError(f"the node ended with exit code {code}")

    @classmethod
    def tell(cls, method):
        """Without waiting for an answer."""
        cls.channel._impl._send_method(method)

    @classmethod
    def declare(cls, name):
        cls.tell(pika.spec.Queue.Declare(queue=name, nowait=True))

    @classmethod
    def settle(cls):
        cls.channel.queue_declare("q0", passive=True)

    def setUp(self):
        self.controls = []

    def tearDown(self):
        for control in self.controls:
            control.close()

    def control(self):
        self.controls.append(Control.local(self.data))
        return self.controls[-1]

    def rows(self, control, between=lambda: None):
        """What is left of an answer; `between` is called now and then."""
        rows = []
        for line in control.lines:
            if not line.startswith(b"r "):
                self.assertTrue(line.startswith(b"o "), line)
                return rows
            rows.append(json.loads(line[2:]))
            if len(rows) % 1000 == 0:
                between()
        self.fail("the answer has no end")

    def list(self, command, *columns, **arguments):
        control = self.control()
        control.send(command, columns=columns, **arguments)
        return self.rows(control)

    def test_every_queue_is_listed_once(self):
        begun = time.monotonic()
        names = [name for name, _ in self.list("list_queues", "name", "messages")]
        self.assertLess(time.monotonic() - begun, DEADLINE_S)
        self.assertEqual(len(names), QUEUES)
        self.assertEqual(set(names), {f"q{i}" for i in range(QUEUES)})

    def test_queues_that_stay_are_listed_once_while_others_come_and_go(self):
        control, passing = self.control(), []

        def churn():
            for name in passing:
                self.tell(pika.spec.Queue.Delete(queue=name, nowait=True))
            passing[:] = [f"passing{len(passing)}.{time.monotonic()}.{i}" for i in range(200)]
            for name in passing:
                self.declare(name)
            self.settle()

        control.send("list_queues", columns=["name", "arguments", "state"])
        names = [row[0] for row in self.rows(control, churn) if not row[0].startswith("passing")]
        for name in passing:
            self.tell(pika.spec.Queue.Delete(queue=name, nowait=True))
        self.settle()
        self.assertEqual(len(names), QUEUES)
        self.assertEqual(len(set(names)), QUEUES)

    def test_all_bindings_of_one_queue(self):
        rows = self.list("list_bindings", "source_name", "destination_name", "routing_key")
        self.assertEqual(len(rows), QUEUES + BINDINGS)
        keys = [key for source, queue, key in rows if source == "amq.topic" and queue == "q0"]
        self.assertEqual(set(keys), {f"key.{i}" for i in range(BINDINGS)})

    def test_a_client_that_does_not_read_costs_little_and_holds_nobody_up(self):
        before = rss(self.node.process.pid)
        lazy = [self.control() for _ in range(8)]
        for control in lazy:
            control.send("list_queues")  # all columns: some 60 MB
        other = self.control()
        for _ in range(100):
            begun = time.monotonic()
            other.ask("ping")
            self.settle()
            self.assertLess(time.monotonic() - begun, PING_MAX_S)
        self.assertLess(rss(self.node.process.pid) - before, MEMORY_MAX)
        for control in lazy[1:]:  # they go in the middle of it
            control.close()
            self.controls.remove(control)
        self.assertEqual(len(self.rows(lazy[0])), QUEUES)
        self.assertLess(rss(self.node.process.pid) - before, MEMORY_MAX)

    def test_bad_requests_for_lists(self):
        control = self.control()
        for arguments in ({"columns": ["bogus"]}, {"columns": "name"}, {"columns": []}, {"columns": [1]}, {"vhost": 7},
                          {"columns": ["name"] * 100}):
            control.send("list_queues", **arguments)
            line = control.lines.readline()
            self.assertTrue(line.startswith(b"e "), line)
        control.ask("ping")


class NodeRequests(unittest.TestCase):
    def test_variables_take_effect_for_the_next_connection(self):
        with tempfile.TemporaryDirectory(prefix="leveret-list.") as directory:
            node = Node(directory + "/data").ready()
            control = Control.local(directory + "/data")
            try:
                control.ask("set_variable", name="channel_max", value=7)
                with node.connect() as connection:
                    self.assertEqual(connection._impl.params.channel_max, 7)
                self.assertEqual(control.ask("environment")["rabbit"]["channel_max"], 7)
                for name, value in (("channel_max", "x"), ("channel_max", 65536), ("loopback_users", [1]), ("loopback_users", ["x"] * 65),
                                    ("default_pass", "secret")):
                    with self.assertRaises(Failure):
                        control.ask("set_variable", name=name, value=value)
                self.assertNotIn("default_pass", json.dumps(control.ask("environment")))
            finally:
                control.close()
                node.end()

    def test_the_end_of_the_log_and_its_level(self):
        with tempfile.TemporaryDirectory(prefix="leveret-list.") as directory:
            node = Node(directory + "/data").ready()
            control = Control.local(directory + "/data")

            def tail(lines):
                control.send("log_tail", lines=lines)
                pieces = []
                for line in control.lines:
                    if not line.startswith(b"d "):
                        self.assertTrue(line.startswith(b"o "), line)
                        return "".join(pieces)
                    pieces.append(json.loads(line[2:]))
                self.fail("the answer has no end")

            def wait_for(text, count):
                """The log is written by a thread of its own; True: it is there so often, and not more."""
                deadline = time.monotonic() + DEADLINE_S
                while (found := tail(1000).count(text)) < count and time.monotonic() < deadline:
                    pass
                return found == count

            try:
                node.connect().close()
                self.assertTrue(wait_for("authenticated", 1))
                self.assertTrue(wait_for("accepting AMQP", 1))
                self.assertEqual(tail(2).count("\n"), 2)
                control.ask("set_log_level", level="error")
                node.connect().close()
                control.ask("set_log_level", level="info")
                node.connect().close()
                self.assertTrue(wait_for("authenticated", 2))
                # Pieces of it end at all places of a character; in one write, so that the node's lines stand around it.
                long = "".join("é" * (n % 7) + "\u20ac\U0001f407\n" for n in range(20000))
                with open(node.data + ".log", "ab", buffering=0) as log:
                    log.write(long.encode())
                self.assertTrue(long in tail(21000))
                control.ask("rotate_logs")
                for lines in (0, -1, 10**9, "x"):
                    with self.assertRaises(Failure):
                        control.ask("log_tail", lines=lines)
            finally:
                control.close()
                node.end()

    def test_certificates_of_tls_listeners(self):
        with tempfile.TemporaryDirectory(prefix="leveret-list.") as directory:
            key, cert, data = directory + "/key.pem", directory + "/cert.pem", directory + "/data"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "10",
                            "-subj", "/CN=here", "-keyout", key, "-out", cert], check=True, capture_output=True)
            node = Node(data, f"listeners.ssl.1 = 127.0.0.1:{free_port()}", f"ssl_options.certfile = {cert}",
                        f"ssl_options.keyfile = {key}").ready()
            control = Control.local(data)
            try:
                [found] = control.ask("certificates")["certificates"]
                self.assertEqual((found["file"], found["kind"], found["subject"]), (cert, "server", "CN=here"))
                self.assertTrue(8 * 86400 < found["seconds_left"] <= 10 * 86400, found)
                for first in ("x", "xy"):  # names that are cut, at either half of a character
                    subject = f"/OU={'é' * 60}" * 10 + f"/CN={first}"
                    subprocess.run(["openssl", "req", "-x509", "-utf8", "-key", key, "-days", "10", "-subj", subject, "-out", cert], check=True,
                                   capture_output=True)
                    [found] = control.ask("certificates")["certificates"]
                    self.assertRegex(found["subject"], f"^CN={first},OU=é+,")
                pathlib.Path(cert).unlink()
                with self.assertRaises(Failure):
                    control.ask("certificates")
            finally:
                control.close()
                node.end()


if __name__ == "__main__":
    program = unittest.main(exit=False)
    bad = len(program.result.failures) + len(program.result.errors)
    print(f"{program.result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
