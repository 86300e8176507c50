#!/usr/bin/env python3
"""A node's data directory as an operator meets it: kept over restarts, checked, dumped, backed up while the node runs.

store_test.py LEVERET
"""
import os
import pathlib
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

try:
    import pika
except ModuleNotFoundError:  # Debian's package is seen by the system's own interpreter only
    if sys.executable == "/usr/bin/python3":
        raise
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))
from ports import free_port  # noqa: E402  (its place is known only now)

LEVERET = sys.argv.pop(1) if len(sys.argv) > 1 else "build/debug/leveret"
DEADLINE_S = 30
PERSISTENT = pika.BasicProperties(delivery_mode=2)


class Node:
    def __init__(self, data, *settings, shards=2):
        self.port = free_port()
        config = data + ".conf"
        pathlib.Path(config).write_text("\n".join(("log.console = false", *settings)) + "\n", encoding="ascii")
        self.process = subprocess.Popen(
            [LEVERET, "--config", config, "--data-dir", data, "--shards", str(shards), "--listen", f"127.0.0.1:{self.port}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if not select.select([self.process.stdout], [], [], DEADLINE_S)[0]:
            raise RuntimeError("the node did not get ready")
        line = self.process.stdout.readline()
        if b"ready" not in line:
            raise RuntimeError(f"the node did not start: {self.process.stderr.read()}")

    def connect(self):
        return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.port, heartbeat=0))

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(DEADLINE_S)
        self.process.stdout.close()
        self.process.stderr.close()
        return code


def leveret(*words):
    return subprocess.run([LEVERET, *words], capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def drain(channel, queue):
    bodies = []
    while True:
        method, _, body = channel.basic_get(queue, auto_ack=False)
        if method is None:
            return bodies
        bodies.append(body)


class Store(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="leveret-store.")
        self.data = os.path.join(self.dir.name, "data")
        self.nodes = []

    def tearDown(self):
        for node in self.nodes:
            if node.process.poll() is None:
                node.end(signal.SIGKILL)
        self.dir.cleanup()

    def node(self, *settings, data=None, **more):
        self.nodes.append(Node(data or self.data, *settings, **more))
        return self.nodes[-1]

    def fill(self, node, count, queue="q", size=100):
        with node.connect() as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare(queue, durable=True)
            for i in range(count):
                channel.basic_publish("", queue, b"%08d" % i + b"x" * (size - 8), PERSISTENT)

    def numbers(self, node, queue="q"):
        with node.connect() as connection:
            return [int(body[:8]) for body in drain(connection.channel(), queue)]

    def test_what_was_confirmed_is_there_after_a_clean_stop_and_a_kill(self):
        node = self.node()
        self.fill(node, 200)
        self.assertEqual(node.end(), 0)
        node = self.node(shards=3)
        self.fill(node, 100, "other")
        node.end(signal.SIGKILL)
        node = self.node(shards=1)
        self.assertEqual(self.numbers(node), list(range(200)))
        self.assertEqual(self.numbers(node, "other"), list(range(100)))

    def test_dead_letters_go_by_the_keys_of_bcc_after_a_kill(self):
        few = ("leveret.store.log_file_size = 1MiB", "leveret.store.log_files = 1", "leveret.queue_memory = 1MiB")
        node = self.node(*few)
        with node.connect() as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.exchange_declare("dlx", "direct", durable=True)
            for name, arguments in (("blind", {}), ("q", {"x-dead-letter-exchange": "dlx"})):
                channel.queue_declare(name, durable=True, arguments=arguments)
            channel.queue_bind("blind", "dlx", "bcc")
            blind = pika.BasicProperties(delivery_mode=2, headers={"BCC": ["bcc"]})
            for _ in range(100):  # more than memory and log keep
                channel.basic_publish("", "q", b"x" * 50000, blind)
        node.end(signal.SIGKILL)
        node = self.node(*few)
        with node.connect() as connection:
            channel = connection.channel()
            for _ in range(100):
                method, properties, _ = channel.basic_get("q")
                self.assertEqual(properties.headers, {})
                channel.basic_reject(method.delivery_tag, requeue=False)
            got, end = 0, time.monotonic() + DEADLINE_S
            while got < 100 and time.monotonic() < end:
                got += channel.basic_get("blind", auto_ack=True)[0] is not None
            self.assertEqual(got, 100)
        self.assertEqual(node.end(), 0)

    def test_log_says_which_sync_runs(self):
        for sync, words in (("always", "synced"), ("never", "written")):
            log = os.path.join(self.dir.name, sync)
            node = self.node(f"leveret.store.sync = {sync}", f"log.file = {log}")
            node.end()
            text = pathlib.Path(log).read_text(encoding="utf-8")
            self.assertRegex(text, f"{sync}: .*confirm.*{words}")
            self.assertNotIn("memory only", text)

    def test_a_disk_with_less_than_the_limit_blocks_who_publishes(self):
        log = os.path.join(self.dir.name, "log")
        node = self.node("disk_free_limit.absolute = 1000TB", f"log.file = {log}")
        reasons, connection = [], node.connect()
        connection.add_on_connection_blocked_callback(lambda _, frame: reasons.append(frame.method.reason))
        channel = connection.channel()
        channel.queue_declare("q", durable=True)  # who does not publish goes on
        channel.basic_publish("", "q", b"x")
        deadline = time.monotonic() + DEADLINE_S
        while not reasons and time.monotonic() < deadline:
            connection.process_data_events(time_limit=1)
        self.assertEqual(reasons, ["low on disk"])
        node.end(signal.SIGKILL)
        self.assertRegex(pathlib.Path(log).read_text(encoding="utf-8"),
                         r"disk space is short: \d+ bytes free, the limit is 1000000000000000;")

    def test_check_and_dump_of_a_stopped_node(self):
        node = self.node()
        self.fill(node, 20)
        for command in ("check", "dump"):
            done = leveret("store", command, self.data)
            self.assertEqual((done.returncode, done.stdout), (3, ""), done)
            self.assertIn("another process is using", done.stderr)
        node.end()
        done = leveret("store", "check", self.data)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(done.stdout.splitlines()[-1], "good")
        done = leveret("store", "dump", self.data, "--bodies")
        self.assertEqual(done.returncode, 0, done)
        lines = done.stdout.splitlines()
        self.assertTrue(lines[0].startswith("manifest incarnation="), lines[0])
        self.assertTrue(any('routing-key="q"' in line and 'text="00000019xxx' in line for line in lines), lines[-5:])
        self.assertNotIn("00000019xxx", leveret("store", "dump", self.data).stdout)

    def test_damage_is_told_with_file_and_exit_code_1(self):
        node = self.node()
        self.fill(node, 50)
        node.end(signal.SIGKILL)
        logs = [p for p in pathlib.Path(self.data, "store", "log").iterdir() if b"00000010xxx" in p.read_bytes()]
        content = bytearray(logs[0].read_bytes())
        content[content.index(b"00000010xxx")] ^= 1
        logs[0].write_bytes(content)
        done = leveret("store", "check", self.data)
        self.assertEqual(done.returncode, 1, done)
        self.assertIn(f"{logs[0]}: offset ", done.stdout)
        self.assertEqual(done.stdout.splitlines()[-1], "damaged: 1 problems")
        self.assertEqual(leveret("store", "dump", self.data).returncode, 1)
        snapshot = next(pathlib.Path(self.data, "store", "snapshot").iterdir())
        snapshot.write_bytes(b"no snapshot")
        lines = [line for line in leveret("store", "check", self.data).stdout.splitlines() if "snapshot" in line]
        self.assertEqual([(line.startswith(str(snapshot)), line.count(str(snapshot))) for line in lines], [(True, 1)], lines)
        os.remove(os.path.join(self.data, "store", "MANIFEST"))
        self.assertEqual(leveret("store", "check", self.data).returncode, 3)

    def test_help_lists_the_commands(self):
        done = leveret("store", "--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for command in ("check DIR", "dump DIR", "backup DIR TARGET"):
            self.assertIn(f"leveret store {command}", done.stdout)

    def test_wrong_command_lines_are_exit_code_2(self):
        for words in ([], ["nope"], ["check"], ["check", "a", "b"], ["check", "--bodies", "a"], ["backup", "a"], ["dump", "-x"]):
            done = leveret("store", *words)
            self.assertEqual((done.returncode, done.stdout), (2, ""), words)
            self.assertIn("leveret --help", done.stderr)
        self.assertEqual(leveret("store", "check", os.path.join(self.dir.name, "none")).returncode, 3)

    def test_backup_of_a_running_node_serves_what_there_was(self):
        node = self.node("leveret.store.log_file_size = 1MiB", "leveret.store.log_files = 1")
        self.fill(node, 500, "before")
        stop, published = threading.Event(), []

        def publish(number):
            with node.connect() as connection:
                channel = connection.channel()
                channel.confirm_delivery()
                channel.queue_declare(f"during{number}", durable=True)
                i = 0
                while not stop.is_set():
                    channel.basic_publish("", f"during{number}", b"%08d" % i + b"x" * 5000, PERSISTENT)
                    i += 1
                published.append(i)

        def consume(number):
            with node.connect() as connection:
                channel = connection.channel()
                channel.queue_declare(f"during{number}", durable=True)
                while not stop.is_set():
                    method, _, _ = channel.basic_get(f"during{number}", auto_ack=False)
                    if method:
                        channel.basic_ack(method.delivery_tag)

        threads = [threading.Thread(target=publish, args=(n,)) for n in range(3)]
        threads.append(threading.Thread(target=consume, args=(0,)))
        for t in threads:
            t.start()
        backups = []
        for i in range(3):
            target = os.path.join(self.dir.name, f"backup{i}")
            done = leveret("store", "backup", self.data, target)
            self.assertEqual(done.returncode, 0, done)
            backups.append(target)
        stop.set()
        for t in threads:
            t.join(DEADLINE_S)
        self.assertEqual(len(published), 3)
        self.assertEqual(node.end(), 0)
        for target in backups:
            done = leveret("store", "check", target)
            self.assertEqual(done.returncode, 0, done)
            copy = self.node(data=target, shards=1)
            self.assertEqual(self.numbers(copy, "before"), list(range(500)))
            for n in range(3):
                with copy.connect() as connection:
                    channel = connection.channel()
                    try:
                        channel.queue_declare(f"during{n}", passive=True)
                    except pika.exceptions.ChannelClosedByBroker:
                        continue  # declared behind the cut
                numbers = self.numbers(copy, f"during{n}")
                first = numbers[0] if n == 0 and numbers else 0  # what was taken was taken in order
                self.assertEqual(numbers, list(range(first, first + len(numbers))))
            copy.end()

    def test_backup_of_a_stopped_node_and_into_a_directory_with_files(self):
        node = self.node()
        self.fill(node, 50)
        node.end()
        target = os.path.join(self.dir.name, "copy")
        done = leveret("store", "backup", self.data, target)
        self.assertEqual(done.returncode, 0, done)
        again = leveret("store", "backup", self.data, target)
        self.assertEqual(again.returncode, 3)
        self.assertIn("is not empty", again.stderr)
        self.assertEqual(self.numbers(self.node(data=target)), list(range(50)))

    def test_an_aborted_backup_lets_the_node_go_on(self):
        node = self.node()
        self.fill(node, 10)
        path = os.path.join(self.data, "control.sock")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(DEADLINE_S)
            s.connect(path)
            lines = s.makefile("rb")
            s.sendall(b'{"command":"nonsense"}\n{"command":"backup"}\n')
            self.assertTrue(lines.readline().startswith(b'e {"kind":"bad_request"'))
            self.assertTrue(lines.readline().startswith(b'o {"cut":"'))
            other = leveret("store", "backup", self.data, os.path.join(self.dir.name, "copy"))
            self.assertEqual(other.returncode, 3)
            self.assertIn("another backup is under way", other.stderr)
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(path)
                stranger.sendall(b'{"command":"backup_end"}\n')
                self.assertEqual(stranger.makefile("rb").readline(),
                                 b'e {"kind":"refused","text":"this connection has no backup"}\n')
            lines.close()
        deadline = time.monotonic() + DEADLINE_S
        while leveret("store", "backup", self.data, os.path.join(self.dir.name, "copy2")).returncode != 0:
            self.assertLess(time.monotonic(), deadline)
        self.fill(node, 10, "more")
        self.assertEqual(node.end(), 0)
        self.assertFalse(os.path.exists(path))


if __name__ == "__main__":
    program = unittest.main(exit=False)
    bad = len(program.result.failures) + len(program.result.errors)
    print(f"{program.result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
