#!/usr/bin/env python3
"""The program as an operator meets it: command line, configuration, data directory, cookie, signals, background.

boot_test.py LEVERET
"""
import os
import pathlib
import re
import select
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))
from ports import free_port  # noqa: E402  (its place is known only now)

LEVERET = sys.argv.pop(1) if len(sys.argv) > 1 else "build/debug/leveret"
DEADLINE_S = 20


def line_with(process, word):
    """The first line of output that has the word, or None at the end of the output or of the deadline."""
    text, deadline = b"", time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        if not select.select([process.stdout], [], [], deadline - time.monotonic())[0]:
            return None
        some = os.read(process.stdout.fileno(), 65536)
        if not some:
            return None
        text += some
        for line in text.split(b"\n")[:-1]:
            if word.encode() in line:
                return line.decode()
    return None


def greeting(port):
    """What the server says to a good protocol header: the type octet of its first frame."""
    with socket.create_connection(("127.0.0.1", port), DEADLINE_S) as s:
        s.settimeout(DEADLINE_S)
        s.sendall(b"AMQP\0\0\x09\x01")
        return s.recv(1)


class Boot(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="leveret-boot.")
        self.data = os.path.join(self.dir.name, "a", "data")
        self.port = free_port()
        self.running = []

    def tearDown(self):
        for p in self.running:
            if p.poll() is None:
                p.kill()
            p.wait()
            p.stdout.close()
            p.stderr.close()
        self.dir.cleanup()

    def start(self, *arguments, listen=True, descriptors=None):
        """descriptors: (soft, hard) limit."""
        where = ["--listen", f"127.0.0.1:{self.port}"] if listen else []
        limit = ["prlimit", f"--nofile={descriptors[0]}:{descriptors[1]}"] if descriptors else []
        p = subprocess.Popen([*limit, LEVERET, "--data-dir", self.data, *where, *arguments], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE)
        self.running.append(p)
        return p

    def ready(self, *arguments, **more):
        p = self.start(*arguments, **more)
        line = line_with(p, "ready")
        self.assertIsNotNone(line, p.poll())
        return p, line

    def run_to_end(self, *arguments):
        return subprocess.run([LEVERET, *arguments], capture_output=True, text=True, timeout=DEADLINE_S, check=False)

    def config(self, text):
        path = os.path.join(self.dir.name, "leveret.conf")
        pathlib.Path(path).write_text(text, encoding="utf-8")
        return path

    def test_ready_line_means_that_it_accepts(self):
        _, line = self.ready("--shards", "2", "--node", "rabbit@here")
        self.assertIn("rabbit@here", line)
        self.assertIn(f"127.0.0.1:{self.port}", line)
        self.assertIn("2 shards", line)
        self.assertEqual(greeting(self.port), b"\x01")

    def test_sigterm_stops_cleanly_and_tells_clients(self):
        p, _ = self.ready()
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(DEADLINE_S), 0)

    def environment(self, **variables):
        """Files that RabbitMQ's would be: {path below the root: text}; and the process's variables with them."""
        root = os.path.join(self.dir.name, "root")
        for path, text in variables.pop("files", {}).items():
            where = pathlib.Path(root, path)
            where.parent.mkdir(parents=True, exist_ok=True)
            where.write_text(text, encoding="utf-8")
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("RABBITMQ_", "LEVERET_"))}
        return {**clean, "SYS_PREFIX": root, **variables}

    def checked(self, *arguments, **variables):
        return subprocess.run([LEVERET, "--check-config", *arguments], capture_output=True, text=True, timeout=DEADLINE_S,
                              check=False, env=self.environment(**variables))

    def test_rabbitmqs_files_are_found_and_told(self):
        log = os.path.join(self.dir.name, "node.log")
        files = {"etc/rabbitmq/rabbitmq.conf": f"listeners.tcp.x = 1\nhipe_compile = true\nlog.file = {log}\nleveret.peer_listen = none\n",
                 "etc/rabbitmq/conf.d/10-port.conf": f"listeners.tcp.x = 127.0.0.1:{self.port}\n",
                 "etc/rabbitmq/advanced.config": "[{rabbit, [{heartbeat, 77}]}].\n",
                 "etc/rabbitmq/rabbitmq-env.conf": "NODENAME=mouse@house\n",
                 "etc/rabbitmq/enabled_plugins": "[rabbitmq_management].\n"}
        variables = self.environment(files=files, RABBITMQ_MNESIA_BASE=os.path.join(self.dir.name, "mnesia"), HOME=self.dir.name,
                                     RABBITMQ_ERLANG_COOKIE="CRUMBS")
        p = subprocess.Popen([LEVERET], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=variables)
        self.running.append(p)
        line = line_with(p, "ready")
        self.assertIn("node mouse@house", line)
        self.assertIn(f"127.0.0.1:{self.port}", line)
        self.assertTrue(os.path.isdir(os.path.join(self.dir.name, "mnesia", "mouse@house", "store")))
        self.assertTrue(os.path.isfile(os.path.join(self.dir.name, "mnesia", "mouse@house.pid")))
        cookie = pathlib.Path(self.dir.name, ".erlang.cookie")
        self.assertEqual(cookie.read_text(encoding="ascii"), "CRUMBS")
        self.assertEqual(stat.S_IMODE(cookie.stat().st_mode), 0o400)
        root = variables["SYS_PREFIX"] + "/etc/rabbitmq/"
        told = f"config file(s): {root}rabbitmq.conf, {root}conf.d/10-port.conf, {root}advanced.config"
        text = pathlib.Path(log).read_text(encoding="utf-8")
        self.assertIn(told, text)
        self.assertIn(f"keys without effect here: hipe_compile ({root}rabbitmq.conf:2, no Erlang)", text)

    def test_mistakes_in_rabbitmqs_files_are_all_told(self):
        files = {"etc/rabbitmq/rabbitmq.config": "[{rabbit,\n [{tcp_listeners, 5672}]}].\n",
                 "etc/rabbitmq/conf.d/1.conf": "\nheartbeat = fast\n",
                 "etc/rabbitmq/rabbitmq-env.conf": "\n\nulimit -n 1000\n",
                 "etc/rabbitmq/enabled_plugins": "[rabbitmq_management"}
        r = self.checked(files=files)
        self.assertEqual(r.returncode, 1)
        root = os.path.join(self.dir.name, "root", "etc", "rabbitmq")
        for told in (f"{root}/rabbitmq.config:2: rabbit.tcp_listeners: expected a list", f"{root}/conf.d/1.conf:2: heartbeat = fast",
                     f"{root}/rabbitmq-env.conf:3: only assignments", f"{root}/enabled_plugins:1: expected , or ]"):
            self.assertIn(told, r.stderr)

    def test_what_counts_is_shown_without_secrets(self):
        files = {"etc/leveret/leveret.conf": "heartbeat = 5\ndefault_pass = hunter2\n", "etc/rabbitmq/rabbitmq.conf": "wrong\n"}
        shown = subprocess.run([LEVERET, "--show-config", "--listen", "127.0.0.1:1"], capture_output=True, text=True,
                               timeout=DEADLINE_S, check=False, env=self.environment(files=files, RABBITMQ_NODE_PORT="2"))
        self.assertEqual((shown.returncode, shown.stderr), (0, ""))
        lines = shown.stdout.splitlines()
        self.assertIn("heartbeat = 5", lines)
        self.assertIn("listeners.tcp.1 = 127.0.0.1:1", lines)
        self.assertIn("default_pass = ********", lines)
        self.assertNotIn("hunter2", shown.stdout)
        again = self.checked("--config", self.config(shown.stdout))
        self.assertEqual(again.returncode, 0, again.stderr)

    def test_check_config_looks_at_certificates(self):
        path = os.path.join(self.dir.name, "no.pem")
        pathlib.Path(path).write_text("no certificate", encoding="utf-8")
        r = self.checked("--config", self.config(f"listeners.ssl.x = 1\nssl_options.certfile = {path}\n"
                                                 f"ssl_options.keyfile = {path}\n"))
        self.assertEqual(r.returncode, 1)
        self.assertIn("no.pem", r.stderr)

    def test_plugins_that_nobody_knows_are_told_and_do_not_matter(self):
        r = self.checked(files={"etc/rabbitmq/enabled_plugins": "[rabbitmq_management,rabbitmq_mqtt,my_own]."})
        path = os.path.join(self.dir.name, "root", "etc", "rabbitmq", "enabled_plugins")
        self.assertEqual((r.returncode, r.stderr), (0, f"{path}: not in this version: rabbitmq_mqtt\n{path}: there is no plugin my_own\n"))
        r = self.checked(RABBITMQ_ENABLED_PLUGINS="rabbitmq_shovel,my_own")
        self.assertEqual((r.returncode, r.stderr), (0, "RABBITMQ_ENABLED_PLUGINS: there is no plugin my_own\n"))

    def test_touched_files_say_nothing(self):
        names = ("rabbitmq.config", "rabbitmq-env.conf", "enabled_plugins", "conf.d/a.conf")
        r = self.checked(files={f"etc/rabbitmq/{name}": "" for name in names})
        self.assertEqual((r.returncode, r.stderr), (0, ""))

    def test_a_cookie_that_is_another_or_open_to_all_is_refused(self):
        p, _ = self.ready()
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(DEADLINE_S), 0)
        p = self.start("--config", self.config("leveret.cookie = OTHER\n"))
        self.assertEqual(p.wait(DEADLINE_S), 1)
        self.assertIn(b"not the one that is configured", p.stderr.read())
        os.chmod(os.path.join(self.data, ".erlang.cookie"), 0o644)
        p = self.start()
        self.assertEqual(p.wait(DEADLINE_S), 1)
        self.assertIn(b"can be read by others", p.stderr.read())

    def test_cookie_is_made_once_with_mode_0400(self):
        p, _ = self.ready()
        cookie = os.path.join(self.data, ".erlang.cookie")
        self.assertEqual(stat.S_IMODE(os.stat(cookie).st_mode), 0o400)
        before = pathlib.Path(cookie).read_bytes()
        self.assertRegex(before, rb"^[A-Z]{20}$")
        p.send_signal(signal.SIGTERM)
        p.wait(DEADLINE_S)
        self.ready()
        self.assertEqual(pathlib.Path(cookie).read_bytes(), before)
        self.assertEqual([n for n in os.listdir(self.data) if n.startswith(".erlang.cookie.")], [])

    def test_second_process_on_the_same_directory_is_refused(self):
        self.ready()
        self.port = free_port()
        p = self.start()
        self.assertEqual(p.wait(DEADLINE_S), 1)
        self.assertIn(b"another process is using the data directory", p.stderr.read())

    def test_a_file_where_the_data_directory_should_be_is_named(self):
        path = pathlib.Path(self.dir.name, "file")
        path.write_text("", encoding="ascii")
        for data in (path, path / "below"):
            done = self.run_to_end("--data-dir", str(data), "--listen", f"127.0.0.1:{self.port}")
            self.assertEqual((done.returncode, done.stderr),
                             (1, f"leveret: cannot use the data directory {data}: {path} is a file\n"))

    def test_rabbitmqs_own_data_is_refused(self):
        node = ("schema.DAT", "LATEST.LOG", "DECISION_TAB.LOG", "cluster_nodes.config", "nodes_running_at_shutdown",
                "rabbit_serial", "node-type.txt", "rabbit_durable_queue.DCD", "rabbit_vhost.DCL", "msg_stores/vhosts/a",
                "msg_store_persistent/0.rdq", "msg_store_transient/0.rdq", "quorum/rabbit@a/meta.dets", "coordination/a")
        layouts = node + tuple(f"rabbit@a/{name}" for name in node) + (
            "rabbit@a-feature_flags", "rabbit@a-plugins-expand/a", "mnesia/rabbit@a/schema.DAT", "mnesia/a")
        for number, name in enumerate(layouts):
            self.data = os.path.join(self.dir.name, str(number))
            os.makedirs(os.path.dirname(os.path.join(self.data, name)))
            pathlib.Path(self.data, name).write_bytes(b"x")
            before = sorted(str(p) for p in pathlib.Path(self.data).rglob("*"))
            p = self.start()
            self.assertEqual(p.wait(DEADLINE_S), 1, name)
            said = p.stderr.read().decode()
            self.assertIn("RabbitMQ", said)
            self.assertRegex(said, re.escape(f"({name.split('/')[0]}"))
            self.assertEqual(sorted(str(p) for p in pathlib.Path(self.data).rglob("*")), before)

    def test_other_peoples_files_do_not_look_like_rabbitmqs(self):
        os.makedirs(os.path.join(self.data, "me@home"))
        pathlib.Path(self.data, "me@home", "notes.txt").write_bytes(b"x")
        pathlib.Path(self.data, "a@b").write_bytes(b"x")
        p, _ = self.ready()
        p.terminate()
        p.wait(DEADLINE_S)
        os.makedirs(os.path.join(self.data, "rabbit@z", "quorum"))
        p = self.start()
        self.assertEqual(p.wait(DEADLINE_S), 1)
        self.assertIn(b"(rabbit@z/quorum)", p.stderr.read())

    def test_port_in_use_is_said_and_ends_the_start(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.port))
            other.listen()
            p = self.start()
            self.assertEqual(p.wait(DEADLINE_S), 1)
            self.assertIn(str(self.port).encode(), p.stderr.read())

    def test_unknown_option_is_exit_code_2(self):
        got = self.run_to_end("--shard", "1", "--nonsense")
        self.assertEqual(got.returncode, 2)
        self.assertIn("nonsense", got.stderr + got.stdout)

    def test_wrong_value_names_file_and_line(self):
        path = self.config("# fine\nheartbeat = soon\nframe_maxx = 4096\n")
        got = self.run_to_end("--config", path, "--data-dir", self.data)
        self.assertEqual(got.returncode, 1)
        self.assertIn(f"{path}:2:", got.stderr)
        self.assertIn(f"{path}:3:", got.stderr)
        self.assertIn("frame_max", got.stderr)
        self.assertFalse(os.path.exists(self.data))

    def test_check_config_starts_nothing(self):
        path = self.config("heartbeat = 30\n")
        got = self.run_to_end("--config", path, "--data-dir", self.data, "--check-config")
        self.assertEqual(got.returncode, 0)
        self.assertFalse(os.path.exists(self.data))
        path = self.config("heartbeat = x\n")
        self.assertEqual(self.run_to_end("--config", path, "--check-config").returncode, 1)

    def test_missing_config_file_refuses_the_start(self):
        got = self.run_to_end("--config", os.path.join(self.dir.name, "none.conf"), "--data-dir", self.data)
        self.assertEqual(got.returncode, 1)
        self.assertIn("none.conf", got.stderr)

    def test_http_and_peer_are_accepted(self):
        self.ready("--http", "127.0.0.1:0", "--peer", "127.0.0.1:0")

    def test_config_sets_listener_and_log_file(self):
        log = os.path.join(self.dir.name, "the.log")
        path = self.config(f"listeners.tcp.local = 127.0.0.1:{self.port}\nlog.file = {log}\n"
                           "log.console = false\nlog.connection.level = debug\n")
        p, line = self.ready("--config", path, listen=False)
        self.assertIn(str(self.port), line)
        self.assertEqual(greeting(self.port), b"\x01")
        p.send_signal(signal.SIGTERM)
        p.wait(DEADLINE_S)
        text = pathlib.Path(log).read_text(encoding="utf-8")
        self.assertIn(f"accepting AMQP on 127.0.0.1:{self.port}", text)
        self.assertIn("stopped", text)

    def test_sighup_opens_the_log_file_anew(self):
        log = os.path.join(self.dir.name, "the.log")
        path = self.config(f"log.file = {log}\n")
        p, _ = self.ready("--config", path)
        os.rename(log, log + ".1")
        p.send_signal(signal.SIGHUP)
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(DEADLINE_S), 0)
        self.assertIn("stopped", pathlib.Path(log).read_text(encoding="utf-8"))

    def test_soft_limit_of_descriptors_is_raised_to_the_hard_one(self):
        p, _ = self.ready(descriptors=(128, 300))
        self.assertRegex(pathlib.Path(f"/proc/{p.pid}/limits").read_text(encoding="ascii"),
                         r"Max open files +300 +300")

    def test_connections_past_the_descriptor_limit(self):
        """Those that have come are served, the others are closed; it is said once, and serving goes on by itself."""
        log = os.path.join(self.dir.name, "the.log")
        path = self.config(f"log.file = {log}\n")
        p, _ = self.ready("--config", path, "--shards", "1", descriptors=(64, 64))
        served, refused = [], 0
        for _ in range(100):
            s = socket.create_connection(("127.0.0.1", self.port), DEADLINE_S)
            s.settimeout(DEADLINE_S)
            try:
                s.sendall(b"AMQP\0\0\x09\x01")
                got = s.recv(1)
            except ConnectionError:
                got = b""
            if got:
                served.append(s)
            else:
                refused += 1
                s.close()
        self.assertGreater(len(served), 20)
        self.assertGreater(refused, 20)
        for s in served:
            s.close()
        deadline = time.monotonic() + DEADLINE_S
        while not self.serves() and time.monotonic() < deadline:
            pass
        self.assertTrue(self.serves())
        p.send_signal(signal.SIGTERM)
        self.assertEqual(p.wait(DEADLINE_S), 0)
        lines = pathlib.Path(log).read_text(encoding="utf-8").splitlines()
        self.assertEqual(len([line for line in lines if "cannot accept connections" in line]), 1)
        self.assertEqual(len([line for line in lines if "descriptors are free again" in line]), 1)

    def serves(self):
        try:
            return greeting(self.port) == b"\x01"
        except ConnectionError:
            return False

    def test_tcp_options_are_set_on_connections(self):
        path = self.config("tcp_listen_options.keepalive = true\ntcp_listen_options.sndbuf = 100000\n")
        self.ready("--config", path)
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE_S) as s:
            s.sendall(b"AMQP\0\0\x09\x01")
            s.recv(1)
            rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()]
            ours, theirs = f":{self.port:04X}", f":{s.getsockname()[1]:04X}"
            timers = [r[5] for r in rows[1:] if r[1].endswith(ours) and r[2].endswith(theirs)]
            self.assertEqual([t.split(":")[0] for t in timers], ["02"], "02 is the keepalive timer")

    def test_detached_returns_when_ready(self):
        p = self.start("--detached")
        self.assertEqual(p.wait(DEADLINE_S), 0)
        self.assertIn(b"ready", p.stdout.read())
        self.assertEqual(greeting(self.port), b"\x01")
        pid = holder_of(os.path.join(self.data, "lock"))
        fd = os.pidfd_open(pid)
        os.kill(pid, signal.SIGTERM)
        self.assertTrue(select.select([fd], [], [], DEADLINE_S)[0], "it did not stop")
        os.close(fd)
        self.assertIn("stopped", pathlib.Path(self.data, "leveret.log").read_text(encoding="utf-8"))

    def test_detached_failure_is_exit_code_1(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", self.port))
            other.listen()
            p = self.start("--detached")
            self.assertEqual(p.wait(DEADLINE_S), 1)

    def test_version_and_help(self):
        self.assertRegex(self.run_to_end("--version").stdout, r"^leveret \d+\.\d+\.\d+")
        self.assertIn("--data-dir", self.run_to_end("--help").stdout)
        self.assertIn("vm_memory_high_watermark", self.run_to_end("--help-config").stdout)


def holder_of(path):
    """The process that has this file open: the node that runs on the directory."""
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if any(os.readlink(fd) == path for fd in (entry / "fd").iterdir()):
                    return int(entry.name)
            except OSError:
                pass
    raise AssertionError(f"nobody has {path} open")


if __name__ == "__main__":
    program = unittest.main(exit=False)
    bad = len(program.result.failures) + len(program.result.errors)
    print(f"{program.result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
