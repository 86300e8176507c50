#!/usr/bin/env python3
"""What a running node tells the machine that it runs on: the service manager, and its log: signals, files that are moved away or rotated, JSON, syslog, a terminal that nobody reads.

logging_test.py LEVERET
"""
import json
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

LEVERET = sys.argv.pop(1) if len(sys.argv) > 1 else "build/debug/leveret"
DEADLINE_S = 20
LINE = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d \[(debug|info|notice|warning|error|critical)\] <0\.\d+\.0> .+$"


class Logging(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="leveret-logging.")
        self.log = pathlib.Path(self.dir.name, "the.log")
        self.running = []

    def tearDown(self):
        for p in self.running:
            if p.poll() is None:
                p.kill()
            p.wait()
            p.stdout.close()
        self.dir.cleanup()

    def start(self, config, wait=True, env=None):
        path = pathlib.Path(self.dir.name, "the.conf")
        path.write_text("log.console = false\n" + config, encoding="utf-8")
        p = subprocess.Popen([LEVERET, "--data-dir", os.path.join(self.dir.name, "data"), "--listen", "127.0.0.1:0", "--shards", "1",
                              "--config", str(path)], stdout=subprocess.PIPE, env=env)
        self.running.append(p)
        if wait:
            self.assertIn(b"ready", p.stdout.readline())
        return p

    def stop(self, p):
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(DEADLINE_S), 0)

    def test_service_manager_is_told_when_it_serves_and_stops(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            path = os.path.join(self.dir.name, "notify")
            manager.bind(path)
            manager.settimeout(DEADLINE_S)
            p = self.start("", env={**os.environ, "NOTIFY_SOCKET": path}, wait=False)
            self.assertRegex(manager.recv(8192).decode(), r"^READY=1\nSTATUS=leveret .* ready: .*\n$")
            self.stop(p)
            self.assertEqual(manager.recv(8192), b"STOPPING=1\nSTATUS=stopping\n")

    def test_lines_have_rabbitmqs_shape(self):
        self.stop(self.start(f"log.file = {self.log}\n"))
        lines = self.log.read_text(encoding="utf-8").splitlines()
        self.assertGreater(len(lines), 3)
        for line in lines:
            self.assertRegex(line, LINE)

    def test_json(self):
        self.stop(self.start(f"log.file = {self.log}\nlog.file.formatter = json\n"))
        rows = [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]
        self.assertGreater(len(rows), 3)
        self.assertEqual(list(rows[0]), ["time", "level", "msg", "domain", "pid"])
        self.assertEqual(rows[-1]["msg"], "stopped")

    def test_sighup_after_a_move(self):
        p = self.start(f"log.file = {self.log}\n")
        moved = self.log.rename(str(self.log) + ".1")
        p.send_signal(signal.SIGHUP)
        self.stop(p)
        self.assertIn("] <0.", moved.read_text(encoding="utf-8"))
        self.assertNotIn("stopped", moved.read_text(encoding="utf-8"))
        self.assertIn("stopped", self.log.read_text(encoding="utf-8"))

    def test_rotation_by_size(self):
        self.stop(self.start(f"log.file = {self.log}\nlog.file.rotation.size = 1\nlog.file.rotation.count = 50\n"))
        kept = [self.log] + list(self.log.parent.glob("the.log.*"))
        self.assertGreater(len(kept), 3)
        for path in kept:
            self.assertEqual(len(path.read_text(encoding="utf-8").splitlines()), 1, path)

    def test_syslog_of_this_machine(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
            path = os.path.join(self.dir.name, "log")
            syslog.bind(path)
            syslog.settimeout(DEADLINE_S)
            p = self.start(f"log.syslog = true\nleveret.log.syslog_socket = {path}\nlog.syslog.identity = hare\n"
                           "log.syslog.facility = local0\n")
            self.assertRegex(syslog.recv(8192).decode(), rf"^<134>\w{{3}} [ \d]\d \d\d:\d\d:\d\d hare\[{p.pid}\]: .+")
            self.stop(p)

    def test_journald(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            path = os.path.join(self.dir.name, "journal")
            journal.bind(path)
            journal.settimeout(DEADLINE_S)
            p = self.start(f"log.journald = true\nleveret.log.journald_socket = {path}\n")
            fields = dict(line.split("=", 1) for line in journal.recv(8192).decode().splitlines())
            self.assertEqual((fields["PRIORITY"], fields["SYSLOG_PID"]), ("6", str(p.pid)))
            self.assertNotEqual(fields["MESSAGE"], "")
            self.stop(p)

    def test_syslog_that_is_not_there_stops_nothing(self):
        self.stop(self.start(f"log.syslog = true\nleveret.log.syslog_socket = {self.dir.name}/none\nlog.file = {self.log}\n"))
        self.assertIn("stopped", self.log.read_text(encoding="utf-8"))

    def test_full_disk_stops_nothing(self):
        self.stop(self.start("log.file = /dev/full\n"))

    def test_closed_standard_output_is_no_place_for_data(self):
        """Else the next file that is opened, the data directory's lock, would be standard output and get the log."""
        data = os.path.join(self.dir.name, "data")
        p = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "-", LEVERET, "--data-dir", data, "--listen", "127.0.0.1:0"],
                             stdout=subprocess.PIPE)
        self.running.append(p)
        ended = os.pidfd_open(p.pid)
        deadline = time.monotonic() + DEADLINE_S
        while not os.path.exists(os.path.join(data, "control.sock")) and time.monotonic() < deadline:
            self.assertFalse(select.select([ended], [], [], 0.01)[0], "it ended")
        os.close(ended)
        for fd in range(3):
            self.assertEqual(os.readlink(f"/proc/{p.pid}/fd/{fd}"), "/dev/null")
        self.stop(p)
        self.assertEqual(os.path.getsize(os.path.join(data, "lock")), 0)

    def test_wrong_values_refuse_the_start(self):
        for config, why in (("log.file.rotation.date = daily", "log.file.rotation.date = daily"),
                            ("log.syslog.transport = tls", "log.syslog.transport"),
                            ("log.file = /proc/none/a.log", "cannot open the log file")):
            path = pathlib.Path(self.dir.name, "the.conf")
            path.write_text(config + "\n", encoding="utf-8")
            done = subprocess.run([LEVERET, "--data-dir", os.path.join(self.dir.name, "data"), "--config", str(path)],
                                  capture_output=True, text=True, timeout=DEADLINE_S, check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(why, done.stderr)


if __name__ == "__main__":
    program = unittest.main(exit=False)
    bad = len(program.result.failures) + len(program.result.errors)
    print(f"{program.result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
