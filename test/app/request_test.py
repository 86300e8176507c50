#!/usr/bin/env python3
"""Requests with arguments of the wrong kind: each is answered, once, and the node goes on.

request_test.py LEVERET

What there is to ask, and by which arguments, is read from the tables and functions of src/mgmt, so that a new request is tried
without being named here.
"""
import os
import pathlib
import re
import tempfile
import unittest

from control_test import Control, Node

SOURCES = "".join(path.read_text(encoding="utf-8") for path in (pathlib.Path(__file__).resolve().parents[2] / "src/mgmt").glob("*.c"))
REQUESTS = re.findall(r'^    \{"(\w+)", \w+, [^}]+\},$', SOURCES, re.MULTILINE) + re.findall(r"^    X\((list_\w+),", SOURCES, re.MULTILINE)
ARGUMENTS = sorted(set(re.findall(r'\b(?:control_string|control_argument|argument_\w+)\(\w+, "(\w+)"', SOURCES)))
ENDS = {"stop", "shutdown", "stop_app", "reset", "force_reset", "log_tail_stream", "consume_event_stream"}  # or never
PAUSES = {"timeout_ms", "delay_ms"}
GOOD = {"name": "x", "vhost": "/", "user": "guest", "password": "pw", "configure": "", "write": "", "read": "", "exchange": "",
        "pattern": "x", "definition": "{}", "value": "1", "component": "x", "tags": ["a"], "is_tracing": True, "limit": "x",
        "pid": "<a.1.2.3>", "reason": "x", "resource": "disk", "on": False, "level": "info", "action": "list"}
ODD = (None, True, 0, -1, 1e300, 2**62, "", "é" * 200, [], ["a", 1], {}, {"a": {"b": [1]}}, "[", "(")


class RequestTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="leveret-request.")
        self.node = Node(os.path.join(self.dir.name, "data")).ready()
        self.control = Control.local(self.node.data)

    def tearDown(self):
        self.control.close()
        if self.node.process.poll() is None:
            self.node.process.kill()
        self.node.wait()
        self.dir.cleanup()

    def is_answered(self, request, arguments):
        """One answer, and the next request has its own."""
        try:
            self.control.send(request, **arguments)
            self.control.send("is_booting")
            self.end()
            self.assertEqual(self.end(), b'o {"booting":false}\n', f"{request} {arguments}")
        except (EOFError, OSError):
            self.fail(f"{request} {arguments}: the connection ended, the node {self.node.process.poll()}")

    def end(self):
        for line in iter(self.control.lines.readline, b""):
            if line[:2] in (b"o ", b"e "):
                return line
        raise EOFError

    def requests(self):
        self.assertGreater(len(REQUESTS), 100)
        self.assertGreater(len(ARGUMENTS), 30)
        return [request for request in REQUESTS if request not in ENDS]

    def test_all_arguments_odd(self):
        for request in self.requests():
            for odd in ODD:
                self.is_answered(request, {name: odd for name in ARGUMENTS if name not in PAUSES})

    def test_one_argument_odd(self):
        for request in self.requests():
            for name in ARGUMENTS:
                for odd in (None, 5, ["a"], {}):
                    self.is_answered(request, GOOD | {name: odd})


if __name__ == "__main__":
    unittest.main()
