#!/usr/bin/env python3
"""Definitions as an operator meets them: a file of RabbitMQ's, many queues, nonsense; over restarts.

definitions_test.py LEVERET LEVERETCTL
"""
import json
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import unittest

try:
    import pika
except ModuleNotFoundError:  # Debian's package is seen by the system's own interpreter only
    if sys.executable == "/usr/bin/python3":
        raise
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients"))
from ports import free_port  # noqa: E402  (its place is known only now)

CTL = os.path.abspath(sys.argv.pop(2)) if len(sys.argv) > 2 else "build/debug/leveretctl"
LEVERET = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/debug/leveret"
RECORDED = pathlib.Path(__file__).parent.parent / "definitions" / "rabbitmq-3.10.8-http.json"
DEADLINE_S = 60


class Definitions(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="leveret-definitions.")
        self.data = os.path.join(self.dir.name, "data")
        self.process = None

    def tearDown(self):
        self.stop()
        self.dir.cleanup()

    def start(self, *settings, fails=False):
        self.port = free_port()
        config = self.path("leveret.conf")
        pathlib.Path(config).write_text("\n".join(("log.console = false", *settings)) + "\n", encoding="utf-8")
        self.process = subprocess.Popen(
            [LEVERET, "--config", config, "--data-dir", self.data, "--shards", "2", "--peer", "127.0.0.1:0",
             "--listen", f"127.0.0.1:{self.port}"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertTrue(select.select([self.process.stdout], [], [], DEADLINE_S)[0], "the node did not get ready")
        line = self.process.stdout.readline()
        if fails:
            self.assertEqual(line, "")
            why = self.process.stderr.read()
            self.assertEqual(self.process.wait(DEADLINE_S), 1)
            self.stop()
            return why
        self.assertIn("ready", line)
        return None

    def stop(self, how=signal.SIGTERM):
        process, self.process = self.process, None
        if process:
            is_running = process.poll() is None  # what did not start has its own code
            process.send_signal(how)
            code = process.wait(DEADLINE_S)
            process.stdout.close()
            process.stderr.close()
            if is_running:
                self.assertEqual(code, 0 if how == signal.SIGTERM else -how)

    def path(self, name):
        return os.path.join(self.dir.name, name)

    def ctl(self, *words, code=0, data=None):
        done = subprocess.run([CTL, "--data-dir", self.data, *words], input=data, capture_output=True, text=True,
                              timeout=DEADLINE_S, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout if code == 0 else done.stderr

    def export(self):
        """What there is, without what an import itself leaves behind; lists in an order of their own."""
        got = json.loads(self.ctl("export_definitions", "-"))
        got["global_parameters"] = [p for p in got["global_parameters"] if p["name"] != "imported_definition_hash_value"]
        return {key: sorted(map(json.dumps, value)) if isinstance(value, list) else value for key, value in got.items()}

    def login(self, user, password):
        pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", self.port, credentials=pika.PlainCredentials(user, password), heartbeat=0)).close()

    def test_a_file_of_rabbitmq_is_imported_and_its_users_log_in(self):
        self.start()
        said = self.ctl("import_definitions", str(RECORDED))
        self.assertIn("queues: 5", said)
        self.login("fed", "fed")
        self.login("guest", "guest")
        before = self.export()
        self.assertEqual(before["parameters"], sorted(map(json.dumps, (
            {k: p[k] for k in sorted(p)} for p in json.loads(RECORDED.read_text())["parameters"]))))
        self.stop(signal.SIGKILL)
        self.start()
        self.assertEqual(self.export(), before)
        self.login("fed", "fed")

    def test_an_export_makes_an_equal_node(self):
        self.start()
        self.ctl("import_definitions", str(RECORDED))
        self.ctl("set_policy", "p", "^q", '{"max-length":5}', "--priority", "3", "--apply-to", "queues")
        self.ctl("set_operator_policy", "o", "^q", '{"expires":90000000}')
        self.ctl("set_vhost_limits", '{"max-queues":100}')
        self.ctl("set_topic_permissions", "fed", "amq.topic", "^{username}", ".*")
        before = self.export()
        self.ctl("export_definitions", self.path("all.json"))
        self.assertEqual(os.listdir(self.dir.name).count("all.json"), 1)
        self.stop()
        self.data = os.path.join(self.dir.name, "other")
        self.start()
        self.ctl("import_definitions", self.path("all.json"))
        self.assertEqual(self.export(), before)

    def test_nonsense_changes_nothing(self):
        self.start()
        before = self.export()
        text = RECORDED.read_text()
        for bad in ("", "{", text[:len(text) // 2], "[1]", text.replace('"LvYh', '"!!!!'),
                    text.replace('"federation-upstream-set": "all"', '"no-such-key": 1'),
                    text.replace('"user": "fed"', '"user": "nobody"')):
            said = self.ctl("import_definitions", "-", code=65, data=bad)
            self.assertIn("Nothing was imported", said)
        self.assertEqual(self.export(), before)
        self.assertIn("cannot open", self.ctl("import_definitions", "/no/such/file", code=65))
        self.assertIn("erlang", self.ctl("export_definitions", self.path("x"), "--format", "erlang", code=64))
        with open(self.path("huge"), "wb") as f:
            f.truncate(1 << 30)
        self.assertIn("MiB", self.ctl("import_definitions", self.path("huge"), code=65))

    def test_many_queues_do_not_hold_up_clients(self):
        self.start()
        many = 20000
        pathlib.Path(self.path("many.json")).write_text(json.dumps({
            "queues": [{"name": f"q{i}", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}
                       for i in range(many)]}), encoding="utf-8")
        importing = subprocess.Popen([CTL, "--data-dir", self.data, "import_definitions", self.path("many.json")],
                                     stdout=subprocess.DEVNULL)
        self.login("guest", "guest")
        self.assertEqual(importing.wait(DEADLINE_S), 0)
        self.assertIn("nothing to do", self.ctl("import_definitions", self.path("many.json"), "--skip-if-unchanged"))
        self.ctl("set_policy", "p", "^q", '{"max-length":5}')
        self.assertEqual(len(json.loads(self.ctl("export_definitions", "-"))["queues"]), many)

    def test_a_queue_that_is_there_otherwise_is_left_and_named(self):
        self.start()
        queue = {"name": "q", "vhost": "/", "durable": True, "auto_delete": False, "arguments": {}}
        self.ctl("import_definitions", "-", data=json.dumps({"queues": [queue]}))
        queue["arguments"] = {"x-max-length": 1}
        said = self.ctl("import_definitions", "-", data=json.dumps({"queues": [queue]}))
        self.assertIn("queue 'q' in vhost '/': inequivalent arg 'x-max-length'", said)

    def test_definitions_are_loaded_at_the_start(self):
        self.start(f"load_definitions = {RECORDED}")
        self.login("fed", "fed")
        cluster_id = "rabbitmq-cluster-id-SGm1N8ySO9sZEhg_fXSfCw"
        self.assertIn(cluster_id, self.ctl("export_definitions", "-"))
        self.stop()
        pathlib.Path(self.path("bad.json")).write_text('{"users":[{"name":""}]}', encoding="utf-8")
        why = self.start(f"load_definitions = {self.path('bad.json')}", fails=True)
        self.assertIn('users[0]: "name" has 0 bytes', why)
        self.start()
        self.login("fed", "fed")

    def test_the_clusters_name_reaches_clients(self):
        self.start()
        self.ctl("set_global_parameter", "cluster_name", '"prod"')
        connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.port, heartbeat=0))
        self.assertEqual(connection._impl.server_properties["cluster_name"], "prod")  # pylint: disable=protected-access
        connection.close()


unittest.main()
