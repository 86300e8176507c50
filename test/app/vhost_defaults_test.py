#!/usr/bin/env python3
"""What a new virtual host starts with by the configuration, and how many things a node takes.

vhost_defaults_test.py LEVERET LEVERETCTL
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

from control_test import Control, Failure, Node, pika  # it takes the first argument

LEVERETCTL = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/debug/leveretctl"

DEFAULTS = (
    "default_limits.vhosts.1.pattern = ^small",
    "default_limits.vhosts.1.max_queues = 2",
    "default_limits.vhosts.1.max_connections = 1",
    "default_limits.vhosts.2.max_queues = 50",
    "default_limits.vhosts.10.max_queues = 5",
    "default_policies.operator.short.vhost_pattern = ^small",
    "default_policies.operator.short.queue_pattern = ^tmp",
    "default_policies.operator.short.apply_to = queues",
    "default_policies.operator.short.expires = 1h",
    "default_policies.operator.short.max_length = 2",
    "default_policies.operator.short.max_length_bytes = 1MB",
    "default_policies.operator.every.queue_pattern = ^(?!tmp)",
    "default_policies.operator.every.message_ttl = 90s",
    "default_policies.operator.every.delivery_limit = 4",
    "default_policies.operator.every.classic_queues.ha_mode = exactly",
    "default_policies.operator.every.classic_queues.ha_params = 2",
    "default_users.ann.vhost_pattern = ^small",
    "default_users.ann.password = ann-secret",
    "default_users.ann.tags = monitoring, policymaker",
    "default_users.ann.configure = ^a",
    "default_users.ann.read = ^b",
    "default_users.bob.vhost_pattern = ^(small|/$)",
)
SHORT = {"vhost": "small1", "name": "short", "pattern": "^tmp", "apply-to": "queues", "priority": 0,
         "definition": {"expires": 3600000, "max-length": 2, "max-length-bytes": 1000000}}
EVERY = {"name": "every", "pattern": "^(?!tmp)", "apply-to": "all", "priority": 0,
         "definition": {"delivery-limit": 4, "ha-mode": "exactly", "ha-params": 2, "message-ttl": 90000}}


class VhostDefaultsTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="leveret-defaults.")
        self.data = os.path.join(self.dir.name, "data")
        self.node = None

    def tearDown(self):
        if self.node:
            self.stop()
        self.dir.cleanup()

    def start(self, *settings):
        self.node = Node(self.data, *settings).ready()
        self.control = Control.local(self.data)

    def stop(self, how=signal.SIGTERM):
        self.control.close()
        code = self.node.end(how)
        if how == signal.SIGTERM:
            self.assertEqual(code, 0)

    def rows(self, command, **arguments):
        self.control.send(command, **arguments)
        return self.control.rows()

    def policies(self, vhost):
        columns = ("name", "pattern", "apply-to", "definition", "priority")
        found = [dict(zip(columns, row)) for row in self.rows("list_operator_policies", vhost=vhost, columns=list(columns))]
        for p in found:
            p["definition"] = json.loads(p["definition"]) if isinstance(p["definition"], str) else p["definition"]
        return {p["name"]: p for p in found}

    def limits(self, vhost):
        return json.loads(self.control.ask("get_vhost_limits", vhost=vhost)["limits"])

    def permissions(self, vhost):
        return {row[0]: row[1:] for row in self.rows("list_permissions", vhost=vhost, columns=["user", "configure", "write", "read"])}

    def connect(self, vhost="/", user="guest", password="guest"):
        return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.node.port, vhost, pika.PlainCredentials(user, password),
                                                                 heartbeat=0))

    def expect_small(self):
        self.assertEqual(self.limits("small1"), {"max-connections": 1, "max-queues": 2})
        found = self.policies("small1")
        self.assertEqual(found["short"], {k: v for k, v in SHORT.items() if k != "vhost"})
        self.assertEqual(found["every"], EVERY)
        self.assertEqual(self.permissions("small1"), {"ann": ["^a", ".*", "^b"], "bob": [".*", ".*", ".*"]})

    def test_a_vhost_that_is_added_has_what_matches_its_name(self):
        self.start(*DEFAULTS)
        self.control.ask("add_vhost", name="small1")
        self.expect_small()
        self.assertEqual(dict(self.rows("list_users", columns=["user", "tags"]))["ann"], ["monitoring", "policymaker"])
        self.control.ask("add_vhost", name="other")
        self.assertEqual(self.limits("other"), {"max-queues": 50}, "the first that matches, in the order of numbers")
        self.assertEqual(self.policies("other"), {"every": EVERY})
        self.assertEqual(self.permissions("other"), {})
        self.connect("small1", "ann", "ann-secret").close()
        with self.assertRaises(pika.exceptions.ProbableAuthenticationError):
            self.connect("small1", "bob", "")

    def test_the_first_vhost_of_an_empty_node_has_them(self):
        self.start(*DEFAULTS)
        self.assertEqual(self.limits("/"), {"max-queues": 50})
        self.assertEqual(self.policies("/"), {"every": EVERY})
        self.assertEqual(self.permissions("/"), {"guest": [".*", ".*", ".*"], "bob": [".*", ".*", ".*"]})

    def test_vhosts_of_definitions_have_them_at_the_start_and_later(self):
        imported = {"vhosts": [{"name": "small1"}, {"name": "small2", "limits": {"max-queues": 9}}],
                    "users": [{"name": "guest", "password": "guest", "tags": "administrator"}],
                    "permissions": [{"user": "guest", "vhost": "small2", "configure": "", "write": "", "read": ""}],
                    "parameters": [{"component": "operator_policy", "vhost": "small2", "name": "every",
                                    "value": {"pattern": "^mine", "definition": {"max-length": 1}, "priority": 3, "apply-to": "all"}}]}
        path = pathlib.Path(self.dir.name, "definitions.json")
        path.write_text(json.dumps(imported), encoding="utf-8")
        for is_start in (True, False):
            with self.subTest(is_start=is_start):
                if is_start:
                    self.start(*DEFAULTS, f"load_definitions = {path}")
                else:
                    subprocess.run([LEVERETCTL, "--data-dir", self.data, "-q", "import_definitions", str(path)], check=True)
                self.expect_small()
                self.assertEqual(self.limits("small2")["max-queues"], 9, "what the definitions say counts")
                self.assertEqual(self.policies("small2")["every"]["definition"], {"max-length": 1})
                self.assertEqual(self.permissions("small2")["guest"], ["", "", ""])
                for vhost in ("small1", "small2"):
                    self.control.ask("delete_vhost", name=vhost)

    def test_users_and_vhosts_that_are_there_stay_as_they_are(self):
        self.start()
        self.control.ask("add_user", name="ann", password="mine")
        self.control.ask("add_vhost", name="small0")
        self.stop()
        self.start(*DEFAULTS)
        self.control.ask("add_vhost", name="small0")
        self.assertEqual((self.limits("small0"), self.policies("small0"), self.permissions("small0")), ({}, {}, {}))
        self.control.ask("add_vhost", name="small1")
        self.connect("small1", "ann", "mine").close()
        self.assertEqual(dict(self.rows("list_users", columns=["user", "tags"]))["ann"], [])

    def test_they_are_kept_as_they_were_made(self):
        self.start(*DEFAULTS)
        self.control.ask("add_vhost", name="small1")
        self.stop(signal.SIGKILL)
        self.start("default_policies.operator.other.max_length = 1", "default_limits.vhosts.1.max_queues = 1")
        self.expect_small()
        self.assertEqual(set(self.policies("small1")), {"short", "every"})

    def test_they_act(self):
        self.start(*DEFAULTS)
        self.control.ask("add_vhost", name="small1")
        self.control.ask("set_permissions", user="guest", vhost="small1", configure=".*", write=".*", read=".*")
        connection = self.connect("small1")
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("tmp")
        for _ in range(3):
            channel.basic_publish("", "tmp", b"m")
        self.assertEqual(channel.queue_declare("tmp", passive=True).method.message_count, 2)
        channel.queue_declare("q")
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
            channel.queue_declare("q2")
        self.assertEqual(refused.exception.reply_text,
                         "PRECONDITION_FAILED - cannot declare queue 'q2': queue limit in vhost 'small1' (2) is reached")
        with self.assertRaises(pika.exceptions.ProbableAccessDeniedError) as refused:
            self.connect("small1")
        self.assertIn("(530) \"NOT_ALLOWED - access to vhost 'small1' refused for user 'guest': connection limit (1) is reached\"",
                      str(refused.exception))
        connection.close()

    # ---- the type of queues ----

    def type_of(self, vhost="/", **properties):
        connection = self.connect(vhost)
        connection.channel().queue_declare("q", **properties)
        found = {tuple(row) for row in self.rows("list_queues", vhost=vhost, columns=["name", "type"])}
        connection.channel().queue_delete("q")
        connection.close()
        self.assertEqual(len(found), 1)
        return found.pop()[1]

    def test_default_queue_type(self):
        for name in ("quorum", "rabbit_quorum_queue"):
            with self.subTest(name):
                self.start(f"default_queue_type = {name}")
                self.control.ask("add_vhost", name="v")
                self.control.ask("add_vhost", name="own", default_queue_type="classic")
                for vhost in ("v", "own"):
                    self.control.ask("set_permissions", user="guest", vhost=vhost, configure=".*", write=".*", read=".*")
                self.assertEqual(dict(self.rows("list_vhosts", columns=["name", "default_queue_type"]))["v"], "quorum")
                self.assertEqual(self.type_of("v", durable=True), "quorum")
                self.assertEqual(self.type_of("own", durable=True), "classic")
                self.assertEqual(self.type_of("v"), "classic", "it is not durable")
                self.assertEqual(self.type_of("v", durable=True, arguments={"x-queue-type": "classic"}), "classic")
                self.control.ask("delete_vhost", name="v")
                self.control.ask("delete_vhost", name="own")
                self.stop()
        self.start()

    def test_default_queue_type_is_for_vhosts_of_old_too(self):
        self.start()
        self.assertEqual(self.type_of(durable=True), "classic")
        self.stop()
        self.start("default_queue_type = quorum")
        self.assertEqual(self.type_of(durable=True), "quorum")

    # ---- how many ----

    def refused(self, act):
        connection = self.connect()
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
            act(connection.channel())
        connection.close()
        self.assertEqual(refused.exception.reply_code, 406)
        return refused.exception.reply_text

    def test_vhost_max(self):
        self.start("vhost_max = 2")
        self.control.ask("add_vhost", name="v")
        with self.assertRaises(Failure) as refused:
            self.control.ask("add_vhost", name="w")
        self.assertEqual(refused.exception.text, "cannot create vhost 'w': vhost limit of 2 is reached")
        self.control.ask("add_vhost", name="v")
        self.control.ask("delete_vhost", name="v")
        self.control.ask("add_vhost", name="w")

    def test_cluster_queue_limit(self):
        self.start("cluster_queue_limit = 3")
        connection = self.connect()
        channel = connection.channel()
        channel.queue_declare("a", durable=True)
        channel.queue_declare("", exclusive=True)
        channel.queue_declare("c")
        self.assertEqual(self.refused(lambda ch: ch.queue_declare("d", durable=True)),
                         "PRECONDITION_FAILED - cannot declare queue 'd': queue limit in cluster (3) is reached")
        self.assertEqual(self.refused(lambda ch: ch.queue_declare("d", exclusive=True)),
                         "PRECONDITION_FAILED - cannot declare queue 'd': queue limit in cluster (3) is reached")
        channel.queue_declare("a", durable=True)
        channel.queue_delete("c")
        channel.queue_declare("d", durable=True)
        connection.close()

    def test_cluster_queue_limit_counts_what_is_under_way(self):
        self.start("cluster_queue_limit = 3")
        connection = self.connect()
        channel = connection.channel()
        for i in range(10):
            channel._impl._send_method(pika.spec.Queue.Declare(queue=f"q{i}", durable=True, nowait=True))
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
            channel.basic_qos()
        self.assertIn("cannot declare queue 'q3': queue limit in cluster (3)", refused.exception.reply_text)
        self.assertEqual(sorted(self.rows("list_queues", vhost="/", columns=["name"])), [["q0"], ["q1"], ["q2"]])
        connection.channel().queue_delete("q0")
        connection.channel().queue_declare("q9", durable=True)
        connection.close()
        self.stop(signal.SIGKILL)
        self.start("cluster_queue_limit = 1")
        self.assertEqual(sorted(self.rows("list_queues", vhost="/", columns=["name"])), [["q1"], ["q2"], ["q9"]],
                         "what is there stays")

    def test_cluster_exchange_limit(self):
        self.start("cluster_exchange_limit = 9")
        connection = self.connect()
        channel = connection.channel()
        channel.exchange_declare("a")
        channel.exchange_declare("b")
        self.assertEqual(self.refused(lambda ch: ch.exchange_declare("c")),
                         "PRECONDITION_FAILED - cannot declare exchange 'c' in vhost '/': exchange limit of 9 is reached")
        channel.exchange_declare("a")
        channel.exchange_delete("a")
        channel.exchange_declare("c")
        connection.close()


if __name__ == "__main__":
    unittest.main()
