#!/usr/bin/env python3
"""The configuration of a running node is read again at SIGHUP: every key that the manual says reloads does, others are named,
a wrong file changes nothing, and a connection outlives all of it.

reload_test.py LEVERET
"""
import json
import os
import pathlib
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))
from ports import free_port  # noqa: E402  (its place is known only now)

LEVERET = sys.argv.pop(1) if len(sys.argv) > 1 else "build/debug/leveret"
DEADLINE_S = 20
HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def certificate(directory, name):
    """A self-signed one; its subject is the name."""
    cert, key = (os.path.join(directory, f"{name}.{end}") for end in ("pem", "key"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


class Client:
    """Just enough of AMQP to see what a new connection is offered."""

    def __init__(self, port, user="guest", password="guest", mechanism="PLAIN"):
        self.socket = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        self.socket.settimeout(DEADLINE_S)
        self.send(b"AMQP\0\0\x09\x01")
        self.start = self.method(10, 10)
        response = b"" if mechanism == "ANONYMOUS" else f"\0{user}\0{password}".encode()
        capabilities = b"\x1cauthentication_failure_closet\x01"
        table = b"\x0ccapabilitiesF" + struct.pack(">I", len(capabilities)) + capabilities
        self.send_method(10, 11, struct.pack(">I", len(table)) + table + struct.pack("B", len(mechanism)) +
                         mechanism.encode() + struct.pack(">I", len(response)) + response + b"\x05en_US")

    def send(self, data):
        self.socket.sendall(data)

    def send_method(self, class_id, method_id, payload=b"", channel=0):
        payload = struct.pack(">HH", class_id, method_id) + payload
        self.send(struct.pack(">BHI", 1, channel, len(payload)) + payload + b"\xce")

    def read(self, n):
        data = b""
        while len(data) < n:
            some = self.socket.recv(n - len(data))
            if not some:
                raise ConnectionError("closed")
            data += some
        return data

    def method(self, class_id, method_id):
        while True:
            kind, _, size = struct.unpack(">BHI", self.read(7))
            payload = self.read(size + 1)[:-1]
            if kind == 8:
                continue
            found = struct.unpack(">HH", payload[:4])
            if found == (10, 50) and (class_id, method_id) != (10, 50):
                raise PermissionError(payload[7:7 + payload[6]].decode())
            assert found == (class_id, method_id), found
            return payload[4:]

    def tune(self):
        """channel_max, frame_max, heartbeat."""
        return struct.unpack(">HIH", self.method(10, 30)[:8])

    def open(self, offered):
        self.send_method(10, 31, struct.pack(">HIH", *offered))
        self.send_method(10, 40, b"\x01/\0\0")
        self.method(10, 41)
        return self

    def declares(self, channel=1):
        """A channel opens, so the connection lives."""
        self.send_method(20, 10, b"\0", channel)
        self.method(20, 11)
        self.send_method(20, 40, struct.pack(">HB", 200, 0) + struct.pack(">HH", 0, 0), channel)
        self.method(20, 41)

    def close(self):
        self.socket.close()


def connected(port):
    c = Client(port)
    return c.open(c.tune())


class Reload(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="leveret-reload.")
        self.port = free_port()
        self.process = None
        self.clients = []
        self.path = os.path.join(self.dir.name, "leveret.conf")
        self.log = os.path.join(self.dir.name, "leveret.log")

    def tearDown(self):
        for c in self.clients:
            c.close()
        if self.process:
            self.process.terminate()
            code = self.process.wait(DEADLINE_S)
            self.process.stdout.close()
            self.assertEqual(code, 0, pathlib.Path(self.log).read_text(encoding="utf-8"))
        self.dir.cleanup()

    def write(self, *lines):
        pathlib.Path(self.path).write_text("\n".join((f"log.file = {self.log}", "leveret.peer_listen = none", *lines, "")),
                                           encoding="utf-8")

    def start(self, *lines):
        self.write(*lines)
        self.process = subprocess.Popen([LEVERET, "--config", self.path, "--data-dir", os.path.join(self.dir.name, "data"),
                                         "--listen", f"127.0.0.1:{self.port}", "--shards", "2"],
                                        stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if "ready" in line and "leveret " in line:
                break
        self.assertIsNone(self.process.poll())

    def lines(self):
        return pathlib.Path(self.log).read_text(encoding="utf-8").splitlines()

    def wait_for(self, word, since):
        """The first line of the log with this word after so many lines."""
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            for line in self.lines()[since:]:
                if word in line:
                    return line
            self.assertIsNone(self.process.poll())
            os.sched_yield()
        self.fail(f"no line with {word!r}: {self.lines()[since:]}")
        return None

    def reload(self, *lines):
        since = len(self.lines())
        self.write(*lines)
        self.process.send_signal(signal.SIGHUP)
        return since

    def client(self, **login):
        c = Client(self.port, **login)
        self.clients.append(c)
        return c

    def until(self, look, wanted):
        """The shards hear of it by mail: soon after the log says it."""
        deadline, seen = time.monotonic() + DEADLINE_S, None
        while time.monotonic() < deadline:
            seen = look()
            if seen == wanted:
                return
        self.assertEqual(seen, wanted)

    def offered(self):
        c = Client(self.port)
        try:
            return c.tune()
        finally:
            c.close()

    def test_new_connections_get_new_limits_and_old_ones_stay(self):
        self.start("heartbeat = 60")
        old = connected(self.port)
        self.clients.append(old)
        since = self.reload("heartbeat = 7", "frame_max = 65536", "channel_max = 100")
        line = self.wait_for("takes effect", since)
        self.assertIn("heartbeat, frame_max, channel_max", line)
        self.until(self.offered, (100, 65536, 7))
        old.declares(channel=2000)

    def test_what_was_offered_before_the_change_may_be_taken_after_it(self):
        self.start("channel_max = 1000")
        c = self.client()
        offered = c.tune()
        self.assertEqual(offered[0], 1000)
        self.reload("channel_max = 10")
        self.until(lambda: self.offered()[0], 10)
        c.open(offered).declares(channel=900)

    def test_what_needs_a_restart_is_named_and_stays(self):
        self.start()
        since = self.reload("heartbeat = 9", "proxy_protocol = true", "listeners.tcp.other = 1", "leveret.data_dir = /nowhere")
        line = self.wait_for("needs a restart", since)
        self.assertIn("proxy_protocol", line)
        self.assertNotIn("data_dir", line)  # the command line's, then and now
        self.until(lambda: self.offered()[2], 9)
        again = self.reload("heartbeat = 9", "proxy_protocol = true")
        self.assertIn("proxy_protocol", self.wait_for("needs a restart", again))

    def test_the_number_of_connections_changes_for_those_to_come(self):
        self.start()
        old = [connected(self.port) for _ in range(3)]
        self.clients.extend(old)

        def is_refused():
            c = self.client()
            try:
                c.open(c.tune())
                return False
            except PermissionError as e:
                self.assertIn("node connection limit (2) is reached", str(e))
                return True
        self.reload("max_connections = 2")
        self.until(is_refused, True)
        for c in old:
            c.declares()

    def command(self, name):
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE_S)
            s.connect(os.path.join(self.dir.name, "data", "control.sock"))
            s.sendall(json.dumps({"command": name, "arguments": {}}).encode() + b"\n")
            answer = s.makefile("rb").readline()
        self.assertEqual(answer[:1], b"o", answer)

    def test_a_later_start_of_the_application_goes_by_it_in_the_same_directory(self):
        self.start("heartbeat = 60")
        since = self.reload("heartbeat = 9", "leveret.data_dir = /nowhere")
        self.wait_for("takes effect", since)
        self.command("stop_app")
        since = self.reload("heartbeat = 9", "channel_max = 77", "default_vhost = other")
        self.wait_for("takes effect: channel_max", since)
        self.command("start_app")
        self.assertEqual(self.offered(), (77, 131072, 9))
        connected(self.port).close()

    def test_a_wrong_file_changes_nothing(self):
        self.start("heartbeat = 60")
        old = connected(self.port)
        self.clients.append(old)
        since = self.reload("heartbeat = 5", "channel_max = lots")
        self.assertIn(f"{self.path}:4: channel_max = lots", self.wait_for("channel_max", since))
        self.wait_for("the configuration stays as it was", since)
        self.assertEqual(self.offered()[2], 60)
        old.declares()
        since = self.reload("heartbeat = 6")
        self.wait_for("takes effect: heartbeat", since)
        self.until(lambda: self.offered()[2], 6)

    def test_who_may_come_changes(self):
        self.start()
        self.assertNotIn(b"ANONYMOUS", self.client().start)
        self.reload("auth_mechanisms.1 = PLAIN", "auth_mechanisms.2 = ANONYMOUS")
        self.until(lambda: b"ANONYMOUS" in self.client().start, True)
        c = self.client(mechanism="ANONYMOUS")
        c.open(c.tune()).declares()
        self.reload("auth_mechanisms.1 = PLAIN", "auth_mechanisms.2 = ANONYMOUS", "anonymous_login_pass = other")

        def is_refused():
            c = self.client(mechanism="ANONYMOUS")
            try:
                c.tune()
                return False
            except PermissionError:
                return True
        self.until(is_refused, True)

    def test_levels_of_the_log_change(self):
        self.start()
        since = self.reload("log.default.level = debug", "log.connection.level = none")
        self.wait_for("takes effect: log", since)
        since = len(self.lines())
        connected(self.port).close()
        self.reload("log.default.level = debug")
        self.wait_for("takes effect: log", since)
        self.assertFalse([line for line in self.lines()[since:] if "authenticated" in line])
        connected(self.port).close()
        self.wait_for("authenticated", since)

    def test_limits_of_memory_and_disk_change(self):
        self.start()
        since = self.reload("vm_memory_high_watermark.absolute = 1MB")
        self.wait_for("memory is short", since)
        since = self.reload("disk_free_limit.absolute = 1000TB")
        self.wait_for("publishers are blocked", since)

    def test_certificates_are_loaded_again_and_wrong_ones_are_not(self):
        first, second = certificate(self.dir.name, "first"), certificate(self.dir.name, "second")
        port = free_port()

        def tls(pair):
            return (f"listeners.ssl.default = 127.0.0.1:{port}", f"ssl_options.certfile = {pair[0]}",
                    f"ssl_options.keyfile = {pair[1]}")

        def seen():
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as s, context.wrap_socket(s) as t:
                return ssl.DER_cert_to_PEM_cert(t.getpeercert(True)).strip()
        texts = [pathlib.Path(pair[0]).read_text(encoding="ascii").strip() for pair in (first, second)]
        self.start(*tls(first))
        self.assertEqual(seen(), texts[0])
        since = self.reload(*tls((second[0], first[1])))
        self.wait_for("the configuration stays as it was", since)
        self.assertEqual(seen(), texts[0])
        self.reload(*tls(second))
        self.until(seen, texts[1])

    def test_every_key_that_the_manual_says_reloads_is_tried_here(self):
        manual = (ROOT / "doc" / "configuration.md").read_text(encoding="utf-8").splitlines()
        keys = [line.split("`")[1] for line in manual if line.endswith("| yes |")]
        self.assertGreater(len(keys), 20)
        values = {
            "ssl_options.depth": "3", "ssl_options.honor_cipher_order": "false", "ssl_options.ciphers.$n":
            "ECDHE-RSA-AES256-GCM-SHA384", "ssl_options.versions.$n": "tlsv1.2", "ssl_options.verify": "verify_peer",
            "ssl_options.fail_if_no_peer_cert": "true", "ssl_options.password": "secret", "ssl_cert_login_from": "common_name",
            "ssl_cert_login_san_type": "ip", "ssl_cert_login_san_index": "2", "auth_mechanisms.$n": "PLAIN",
            "anonymous_login_user": "ann", "anonymous_login_pass": "secret", "loopback_users.$user": "true", "heartbeat": "11", "max_connections": "9",
            "frame_max": "8192", "channel_max": "12", "handshake_timeout": "9000", "ssl_handshake_timeout": "4000",
            "vm_memory_high_watermark.relative": "0.9", "vm_memory_high_watermark.absolute": "900GB", "disk_free_limit.absolute":
            "1MB", "disk_free_limit.relative": "0.001", "total_memory_available_override_value": "64GB", "log.file.level": "debug",
            "log.console.level": "error", "log.syslog.level": "error", "log.journald.level": "error", "log.exchange.level": "error", "log.$category.level": "debug",
        }
        cert, key = certificate(self.dir.name, "server")
        values.update({"ssl_options.cacertfile": cert, "ssl_options.certfile": cert, "ssl_options.keyfile": key})
        self.start()
        lines = [f"{k.replace('$n', '1').replace('$user', 'x').replace('$category', 'queue')} = {values[k]}" for k in keys]
        since = self.reload(*lines)
        said = self.wait_for("takes effect", since).split("takes effect: ")[1].split(", ")
        keys.remove("vm_memory_high_watermark.absolute")  # with .relative in the file, too, it does not count
        self.assertEqual(sorted(said), sorted(k.split(".$")[0] for k in keys))
        self.assertFalse([line for line in self.lines()[since:] if "needs a restart" in line])


if __name__ == "__main__":
    unittest.main()
