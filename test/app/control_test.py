#!/usr/bin/env python3
"""A node under an operator's hands: its application stopped, started and reset while the process stays, over the socket and the peer port.

control_test.py LEVERET
"""
import ctypes
import hashlib
import hmac
import itertools
import json
import os
import pathlib
import random
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


class Failure(Exception):
    def __init__(self, kind, text):
        super().__init__(kind, text)
        self.kind, self.text = kind, text


class Control:
    """A connection to control."""

    def __init__(self, s):
        s.settimeout(DEADLINE_S)
        self.socket = s
        self.lines = s.makefile("rb")

    @classmethod
    def local(cls, data):
        s = socket.socket(socket.AF_UNIX)
        s.connect(os.path.join(data, "control.sock"))
        return cls(s)

    @classmethod
    def tcp(cls, port, cookie):
        c = cls(socket.create_connection(("127.0.0.1", port), DEADLINE_S))
        word, version, node, nonce = c.lines.readline().decode().split()
        assert (word, version) == ("leveret-control", "1")
        own = os.urandom(32).hex()

        def proof(role):
            text = b"".join(part.encode() + b"\0" for part in (role, node, nonce, own))
            return hmac.new(cookie.encode(), text, hashlib.sha256).hexdigest()

        c.socket.sendall(f"auth {own} {proof('client')}\n".encode())
        answer = c.lines.readline().decode()
        if answer.startswith("e "):
            c.close()
            raise Failure(**json.loads(answer[2:]))
        assert answer == f"ok {proof('server')}\n"
        return c

    def send(self, command, **arguments):
        request = {"command": command, "arguments": arguments, "user": "tester"}
        self.socket.sendall(json.dumps(request).encode() + b"\n")

    def result(self):
        while True:
            line = self.lines.readline()
            if line[:2] == b"o ":
                return json.loads(line[2:])
            if line[:2] == b"e ":
                raise Failure(**json.loads(line[2:]))
            if not line:
                raise EOFError

    def rows(self):
        found = []
        while (line := self.lines.readline())[:2] == b"r ":
            found.append(json.loads(line[2:]))
        assert line[:2] == b"o ", line
        return found

    def ask(self, command, **arguments):
        self.send(command, **arguments)
        return self.result()

    def close(self):
        self.lines.close()
        self.socket.close()


class Node:
    def __init__(self, data, *settings, port=None, peer="none", descriptors=None):
        self.port = port or free_port()
        self.data = data
        config = data + ".conf"
        log = (f"log.file = {data}.log", "log.console = false")
        pathlib.Path(config).write_text("\n".join((*log, *settings)) + "\n", encoding="ascii")
        peers = ["--peer", peer] if peer else []
        limit = ["prlimit", f"--nofile={descriptors}:{descriptors}"] if descriptors else []
        self.process = subprocess.Popen(
            [*limit, LEVERET, "--config", config, "--data-dir", data, "--shards", "2", "--listen", f"127.0.0.1:{self.port}", *peers],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def ready(self):
        if not select.select([self.process.stdout], [], [], DEADLINE_S)[0]:
            raise RuntimeError("the node did not get ready")
        line = self.process.stdout.readline()
        if b"ready" not in line:
            raise RuntimeError(f"the node did not start: {self.process.stderr.read()}")
        return self

    def connect(self):
        return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.port, heartbeat=0))

    def wait(self):
        code = self.process.wait(DEADLINE_S)
        self.process.stdout.close()
        self.process.stderr.close()
        return code

    def end(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.wait()


class Stopped:
    """One thread of a child stands still, as if it were stuck; the others run."""
    SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
    WALL = 0x40000000  # waits for threads, too

    def __init__(self, pid, name):
        tasks = pathlib.Path(f"/proc/{pid}/task")
        self.tid = next(int(t.name) for t in tasks.iterdir() if (t / "comm").read_text(encoding="ascii").strip() == name)

    def trace(self, request):
        if ctypes.CDLL(None, use_errno=True).ptrace(request, self.tid, None, None):
            raise unittest.SkipTest(f"ptrace: {os.strerror(ctypes.get_errno())}")

    def __enter__(self):
        self.trace(self.SEIZE)
        self.trace(self.INTERRUPT)
        os.waitpid(self.tid, self.WALL)
        return self

    def __exit__(self, *_):
        self.trace(self.DETACH)


class ControlTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="leveret-control.")
        self.data = os.path.join(self.dir.name, "data")
        self.nodes, self.controls = [], []

    def tearDown(self):
        for control in self.controls:
            control.close()
        for node in self.nodes:
            if node.process.poll() is None:
                node.process.kill()
            node.wait()
        self.dir.cleanup()

    def node(self, *settings, **more):
        self.nodes.append(Node(self.data, *settings, **more))
        return self.nodes[-1].ready()

    def control(self):
        self.controls.append(Control.local(self.data))
        return self.controls[-1]

    def fails(self, kind, fn, *arguments):
        with self.assertRaises(Failure) as caught:
            fn(*arguments)
        self.assertEqual(caught.exception.kind, kind)
        return caught.exception.text

    def publish(self, node, first, count):
        with node.connect() as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare("q", durable=True)
            for i in range(first, first + count):
                channel.basic_publish("", "q", b"%d" % i, PERSISTENT)

    def messages(self, node):
        with node.connect() as connection:
            channel, found = connection.channel(), []
            while True:
                method, _, body = channel.basic_get("q", auto_ack=False)
                if method is None:
                    return found
                found.append(int(body))

    def test_queues_of_a_shard_that_hangs_are_unresponsive(self):
        node = self.node()
        names = {f"q{i}" for i in range(8)}
        connections = [node.connect() for _ in names]  # on all shards, and queues live where they are made
        for name, connection in zip(names, connections):
            connection.channel().queue_declare(name, durable=True)
        for connection in connections:
            connection.close()
        control = self.control()

        def unresponsive():
            # a shard that runs answers long before that
            control.send("list_unresponsive_queues", columns=["name"], timeout_ms=2000 if stopped else 60000)
            return {row[0] for row in control.rows()}

        stopped, found = None, []
        for shard in ("shard-0", "shard-1"):
            with Stopped(node.process.pid, shard) as stopped:
                found.append(unresponsive())
        stopped = None
        self.assertEqual((found[0] | found[1], found[0] & found[1]), (names, set()))
        self.assertTrue(found[0] and found[1])
        self.assertEqual(unresponsive(), set())

    def test_peek_leaves_the_message_where_it_is(self):
        few = ("leveret.queue_memory = 1MiB", "leveret.store.log_file_size = 1MiB", "leveret.store.log_files = 1")
        node = self.node(*few)
        with node.connect() as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare("q", durable=True, arguments={"x-queue-type": "quorum"})
            for i in range(100):  # more than memory keeps
                channel.basic_publish("", "q", f"{i} ".encode().ljust(50000), pika.BasicProperties(headers={"BCC": ["b"], "n": i}))
        node.end()
        self.node(*few)
        control = self.control()

        def peeked(position):
            fields = dict(control.ask("peek", name="q", position=position)["message"])
            self.assertEqual(len(fields["payload (max 64 bytes)"]), 64)
            self.assertEqual((fields["routing_keys"], fields["header.n"]), (["q", "b"], int(fields["payload (max 64 bytes)"].split()[0])))
            return fields["header.n"], fields["header.x-delivery-count"]

        self.assertEqual([peeked(n) for n in (1, 100, 50, 1)], [(0, 0), (99, 0), (49, 0), (0, 0)])
        with self.nodes[-1].connect() as connection:
            channel = connection.channel()
            tags = [channel.basic_get("q")[0].delivery_tag for _ in range(3)]
            self.assertEqual([peeked(n)[0] for n in (1, 97)], [3, 99])
            self.assertRaises(Failure, peeked, 98)
            channel.basic_nack(tags[1])  # comes back to its place
            channel.queue_declare("q", passive=True)
            self.assertEqual([peeked(n) for n in (1, 2)], [(1, 1), (3, 0)])

    def test_peek_tells_what_json_finds_hard(self):
        node, control = self.node(), self.control()
        with node.connect() as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.queue_declare("q", durable=True, arguments={"x-queue-type": "quorum"})
            channel.basic_publish("", "q", b"", pika.BasicProperties(message_id="a\0b", headers={"c\0": 1}))
            channel.basic_publish("", "q", b"", pika.BasicProperties(timestamp=2**64 - 1))

        def peeked(position):
            return dict(control.ask("peek", name="q", position=position)["message"])

        self.assertEqual((peeked(1)["message_id"], peeked(1)["header.c\0"]), ("a\0b", 1))
        self.assertEqual(peeked(2)["timestamp"], str(2**64 - 1))

    def test_the_application_stops_and_starts_in_its_process(self):
        node, control = self.node(), self.control()
        self.assertEqual(control.ask("is_running"), {"running": True})
        self.publish(node, 0, 50)
        for _ in range(3):
            self.assertEqual(control.ask("stop_app"), {})
            self.assertEqual(control.ask("stop_app"), {})
            self.assertEqual(control.ask("is_running"), {"running": False})
            self.assertEqual(control.ask("is_booting"), {"booting": False})
            self.fails("not_running", control.ask, "backup")
            with self.assertRaises(OSError):
                socket.create_connection(("127.0.0.1", node.port), DEADLINE_S).close()
            self.assertEqual(control.ask("start_app"), {})
            self.assertEqual(control.ask("start_app"), {})
            self.assertEqual(control.ask("is_running"), {"running": True})
        self.assertEqual(self.messages(node), list(range(50)))
        self.assertEqual(node.end(), 0)

    def test_a_start_begins_the_time_of_queues_that_expire_anew(self):
        with self.node().connect() as connection:
            for name, milliseconds in (("soon", 500), ("later", 3600000)):
                connection.channel().queue_declare(name, durable=True, arguments={"x-expires": milliseconds})
        self.assertEqual(self.nodes[-1].end(), 0)
        self.node()
        deadline, names, control = time.monotonic() + DEADLINE_S, None, self.control()
        while names != [["later"]] and time.monotonic() < deadline:
            control.send("list_queues", vhost="/", columns=["name"])  # which is no use of a queue
            names = control.rows()
        self.assertEqual(names, [["later"]])

    def test_sigterm_ends_a_process_whose_application_is_stopped(self):
        node, control = self.node(), self.control()
        control.ask("stop_app")
        self.assertEqual(node.end(), 0)

    def test_clients_are_told_when_the_application_stops(self):
        node, control = self.node(), self.control()
        connection = node.connect()
        control.ask("stop_app")
        with self.assertRaises(pika.exceptions.ConnectionClosedByBroker) as caught:
            connection.process_data_events(DEADLINE_S)
        self.assertEqual(caught.exception.reply_code, 320)

    def test_reset_needs_a_stopped_application_and_empties_the_node(self):
        node, control = self.node(), self.control()
        name = control.ask("ping")["node"]
        self.assertEqual(control.ask("ping")["pid"], node.process.pid)
        threads = [path.read_text(encoding="ascii").strip() for path in pathlib.Path(f"/proc/{node.process.pid}/task").glob("*/comm")]
        self.assertEqual([threads.count(name) for name in ("control", "shard-0", "shard-1")], [1, 1, 1])
        cookie = pathlib.Path(self.data, ".erlang.cookie").read_bytes()
        for how in ("reset", "force_reset"):
            self.publish(node, 0, 10)
            self.assertEqual(self.fails("refused", control.ask, how),
                             f"Mnesia is still running on node {name}.\nPlease stop RabbitMQ with 'rabbitmqctl stop_app' first.")
            control.ask("stop_app")
            self.assertEqual(control.ask(how), {})
            self.assertEqual(sorted(os.listdir(self.data)), [".erlang.cookie", "control.sock", "lock"])
            self.assertEqual(control.ask(how), {})
            control.ask("start_app")
            with node.connect() as connection:  # as guest: the first things are made anew
                with self.assertRaises(pika.exceptions.ChannelClosedByBroker):
                    connection.channel().queue_declare("q", passive=True)
        self.assertEqual(pathlib.Path(self.data, ".erlang.cookie").read_bytes(), cookie)

    def test_what_a_reset_left_behind_in_a_crash_goes_at_the_next_start(self):
        node = self.node()
        self.publish(node, 0, 5)
        node.end()
        os.rename(os.path.join(self.data, "store"), os.path.join(self.data, "store.gone"))
        node = self.node()
        self.assertNotIn("store.gone", os.listdir(self.data))
        with node.connect() as connection:
            with self.assertRaises(pika.exceptions.ChannelClosedByBroker):
                connection.channel().queue_declare("q", passive=True)

    def test_a_start_that_fails_says_why_and_may_be_tried_again(self):
        node, control = self.node(), self.control()
        self.publish(node, 0, 5)
        control.ask("stop_app")
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", node.port))
            other.listen()
            for _ in range(2):
                self.assertIn(f"127.0.0.1 port {node.port}: Address", self.fails("failed", control.ask, "start_app"))
                self.assertEqual(control.ask("is_running"), {"running": False})
        control.ask("start_app")
        self.assertEqual(self.messages(node), list(range(5)))

    def test_the_first_start_that_fails_ends_the_process(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            self.nodes.append(Node(self.data, port=other.getsockname()[1]))
            self.assertEqual(self.nodes[-1].process.wait(DEADLINE_S), 1)
            self.assertIn(b"Address already in use", self.nodes[-1].process.stderr.read())
            self.nodes[-1].wait()
        self.assertFalse(os.path.exists(self.data + ".pid"))

    def test_waiting_for_the_start(self):
        node, control, other = self.node(), self.control(), self.control()
        self.assertEqual(other.ask("await_startup"), {})
        control.ask("stop_app")
        leaving = self.control()
        leaving.send("await_startup")
        other.send("await_startup")
        self.assertEqual(control.ask("ping")["node"], self.control().ask("ping")["node"])
        leaving.close()
        control.ask("start_app")
        self.assertEqual(other.result(), {})
        control.ask("stop_app")
        other.send("await_startup")
        self.assertEqual(control.ask("stop"), {})
        self.assertIn("stopping", self.fails("failed", other.result))
        self.assertEqual(node.wait(), 0)

    def test_the_stop_goes_on_when_its_client_has_left(self):
        node, control = self.node(), self.control()
        leaving = self.control()
        leaving.send("stop_app")
        leaving.close()
        self.assertEqual(control.ask("stop_app"), {})
        self.assertEqual(control.ask("is_running"), {"running": False})
        self.assertEqual(node.end(), 0)
        self.assertRegex(pathlib.Path(self.data + ".log").read_text(encoding="utf-8"),
                         "audit: .*left before the answer: stop_app")

    def test_stopping_the_process_answers_first(self):
        for how in ("stop", "shutdown"):
            node, control = self.node(), self.control()
            pid = pathlib.Path(self.data + ".pid").read_text(encoding="ascii")
            self.assertEqual(int(pid), node.process.pid)
            self.assertEqual(control.ask(how), {})
            with self.assertRaises(EOFError):
                control.result()
            self.assertEqual(node.wait(), 0)
            self.assertEqual(sorted(os.listdir(self.data)), [".erlang.cookie", "lock", "store"])
            self.assertFalse(os.path.exists(self.data + ".pid"))

    def test_the_pid_file_stands_where_the_configuration_says(self):
        path = os.path.join(self.dir.name, "here.pid")
        node = self.node(f"leveret.pid_file = {path}")
        self.assertEqual(int(pathlib.Path(path).read_text(encoding="ascii")), node.process.pid)
        self.assertEqual(node.end(), 0)
        self.assertFalse(os.path.exists(path))
        bad = os.path.join(self.dir.name, "missing", "pid")
        self.nodes.append(Node(self.data, f"leveret.pid_file = {bad}"))
        self.assertEqual(self.nodes[-1].process.wait(DEADLINE_S), 1)
        self.assertIn(bad.encode(), self.nodes[-1].process.stderr.read())

    def test_the_peer_port_wants_the_cookie(self):
        port = free_port()
        node = self.node(peer=f"127.0.0.1:{port}")
        cookie = pathlib.Path(self.data, ".erlang.cookie").read_text(encoding="ascii")
        self.fails("wrong_cookie", Control.tcp, port, "NOT" + cookie)
        self.fails("wrong_cookie", Control.tcp, port, "")
        for garbage in (b"\n", b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", b"AMQP\0\0\x09\x01" * 100, b'{"command":"stop"}\n'):
            with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as s:
                s.settimeout(DEADLINE_S)
                lines = s.makefile("rb")
                self.assertTrue(lines.readline().startswith(b"leveret-control 1 "))
                s.sendall(garbage)
                if b"\n" in garbage or len(garbage) > 256:
                    self.assertTrue(lines.readline().startswith(b'e {"kind":"wrong_cookie"'), garbage)
                lines.close()
        strangers = [socket.create_connection(("127.0.0.1", port), DEADLINE_S) for _ in range(100)]
        self.controls.append(Control.tcp(port, cookie))
        self.assertEqual(self.controls[-1].ask("is_running"), {"running": True})
        self.assertEqual(self.control().ask("is_running"), {"running": True})
        self.assertEqual(self.controls[0].ask("stop"), {})
        self.assertEqual(node.wait(), 0)
        for s in strangers:
            s.close()
        log = pathlib.Path(self.data + ".log").read_text(encoding="utf-8")
        self.assertIn(f"accepting commands on port {port}", log)
        self.assertNotIn(cookie, log)

    def test_the_peer_port_is_the_clients_port_and_20000(self):
        port = free_port()
        with socket.create_server(("127.0.0.1", port + 20000)):
            node = self.node(port=port, peer=None)  # in use: a single node goes on without
            self.assertIn("without a peer port", pathlib.Path(self.data + ".log").read_text(encoding="utf-8"))
            self.assertEqual(node.end(), 0)
        node = self.node(port=port, peer=None)
        cookie = pathlib.Path(self.data, ".erlang.cookie").read_text(encoding="ascii")
        self.controls.append(Control.tcp(port + 20000, cookie))
        self.assertEqual(self.controls[-1].ask("is_running"), {"running": True})
        self.assertEqual(node.end(), 0)

    def test_a_peer_port_that_was_asked_for_must_be_free(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            self.nodes.append(Node(self.data, peer="127.0.0.1:%d" % s.getsockname()[1]))
            self.assertEqual(self.nodes[-1].process.wait(DEADLINE_S), 1)
            self.assertIn(b"Address already in use", self.nodes[-1].process.stderr.read())

    def test_changes_under_way_when_the_application_stops_are_done_or_fail(self):
        """What was answered as done is there after the start; everybody is answered."""
        node, control = self.node(), self.control()
        done, wrong, lock = [], [], threading.Lock()

        def add(connection, prefix):
            try:
                for i in itertools.count():
                    connection.ask("add_vhost", name=f"{prefix}.{i}")
                    with lock:
                        done.append(f"{prefix}.{i}")
            except Failure as failure:
                if failure.kind != "not_running":
                    wrong.append(failure)
            except (OSError, EOFError) as failure:
                wrong.append(failure)

        for cycle in range(3):
            before = len(done)
            workers = [threading.Thread(target=add, args=(self.control(), f"{cycle}.{n}")) for n in range(4)]
            for worker in workers:
                worker.start()
            deadline = time.monotonic() + DEADLINE_S
            while len(done) < before + 20 and time.monotonic() < deadline:
                control.ask("is_running")
            control.ask("stop_app")
            for worker in workers:
                worker.join(DEADLINE_S)
                self.assertFalse(worker.is_alive())
            self.assertEqual(wrong, [])
            self.assertGreaterEqual(len(done), before + 20)
            control.ask("start_app")
            control.send("list_vhosts", columns=["name"])
            there = {row[0] for row in control.rows()}
            self.assertEqual(set(done) - there, set())
        self.assertEqual(node.end(), 0)

    def test_many_operators_at_once_are_all_answered(self):
        node, control = self.node(), self.control()
        wrong = []

        def operate(connection, seed):
            rng = random.Random(seed)
            try:
                for _ in range(12):
                    try:
                        connection.ask(rng.choice(("stop_app", "start_app", "reset", "force_reset", "is_running", "ping")))
                    except Failure as failure:
                        if failure.kind != "refused" and "stopped before it served" not in failure.text:
                            wrong.append(failure)
            except (OSError, EOFError) as failure:
                wrong.append(failure)

        workers = [threading.Thread(target=operate, args=(self.control(), seed)) for seed in range(5)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(DEADLINE_S)
            self.assertFalse(worker.is_alive())
        self.assertEqual(wrong, [])
        control.ask("start_app")
        with node.connect() as connection:
            self.assertTrue(connection.is_open)
        self.assertEqual(node.end(), 0)

    def test_commands_get_through_when_clients_have_all_descriptors(self):
        node = self.node(descriptors=128)
        clients, refused = [], 0
        while not refused:
            s = socket.create_connection(("127.0.0.1", node.port), DEADLINE_S)
            clients.append(s)
            s.settimeout(DEADLINE_S)
            try:
                s.sendall(b"AMQP\0\0\x09\x01")
                refused = not s.recv(1)
            except ConnectionError:
                refused = True
        self.assertEqual(self.control().ask("is_running"), {"running": True})
        self.assertEqual(self.control().ask("stop"), {})
        self.assertEqual(node.wait(), 0)
        for s in clients:
            s.close()

    def test_nothing_confirmed_is_lost_in_stops_starts_and_kills(self):
        sent, rng = 0, random.Random(7)
        for _ in range(5):
            node = self.node()
            control = self.control()
            for _ in range(3):
                self.publish(node, sent, 20)
                sent += 20
                control.ask("stop_app")
                control.ask("start_app")
            control.send(rng.choice(("stop_app", "stop", "ping")))
            node.end(signal.SIGKILL)
        self.assertEqual(self.messages(self.node()), list(range(sent)))


if __name__ == "__main__":
    program = unittest.main(exit=False)
    bad = len(program.result.failures) + len(program.result.errors)
    print(f"{program.result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
