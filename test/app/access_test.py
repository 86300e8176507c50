#!/usr/bin/env python3
"""Users, policies and queues changed over control: what the audit log says of it, and what may not get into the node.

access_test.py LEVERET
"""
import base64
import hashlib
import os
import pathlib
import tempfile
import time
import unittest

from control_test import DEADLINE_S, Control, Failure, Node, pika

SECRET = "hunter2-is-secret"
LONG = "n" * 300


def hash_of(password):
    return base64.b64encode(b"salt" + hashlib.sha256(b"salt" + password.encode()).digest()).decode()


class AccessTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="leveret-access.")
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

    def node(self, *settings):
        self.nodes.append(Node(self.data, *settings))
        self.nodes[-1].ready()
        self.controls.append(Control.local(self.data))
        return self.nodes[-1], self.controls[-1]

    def fails(self, kind, control, command, **arguments):
        with self.assertRaises(Failure, msg=command) as caught:
            control.ask(command, **arguments)
        self.assertEqual(caught.exception.kind, kind, f"{command}: {caught.exception.text}")
        return caught.exception.text

    def log(self):
        return pathlib.Path(self.data + ".log").read_text(encoding="utf-8")

    def test_secrets_are_in_no_line_of_the_log(self):
        node, control = self.node("log.default.level = debug", "log.file.level = debug")
        uri = f"amqp://u:{SECRET}@host"
        control.ask("add_user", name="u", password=SECRET)
        self.fails("exists", control, "add_user", name="u", password=SECRET)
        control.ask("change_password", name="u", password=SECRET)
        self.fails("no_such_user", control, "change_password", name="nobody", password=SECRET)
        control.ask("authenticate_user", name="u", password=SECRET)
        self.fails("bad_argument", control, "authenticate_user", name="u", password="x" + SECRET)
        control.ask("add_user", name="v", password_hash=hash_of(SECRET))
        self.fails("bad_argument", control, "add_user", name="w", password_hash=SECRET)
        control.ask("hash_password", password=SECRET)
        control.ask("set_parameter", component="federation-upstream", name="p", value=f'{{"uri":"{uri}"}}')
        self.fails("refused", control, "set_parameter", component="federation-upstream", name="p", value=uri)
        self.fails("refused", control, "set_parameter", component="odd", name="p", value=f'"{uri}"')
        control.ask("set_global_parameter", name="g", value=f'"{uri}"')
        self.fails("bad_request", control, "add_user", password=SECRET)
        self.assertEqual(node.end(), 0)
        log = self.log()
        self.assertNotIn(SECRET, log)
        self.assertNotIn(hash_of(SECRET), log)
        self.assertNotIn(uri, log)

    def test_each_change_is_told_with_who_where_and_how_it_ended(self):
        node, control = self.node()
        control.ask("add_vhost", name="v")
        control.ask("set_policy", vhost="v", name="p", pattern="^q", definition='{"max-length":3}')
        self.fails("no_such_vhost", control, "set_policy", vhost="x", name="p", pattern="^q", definition='{"max-length":3}')
        control.ask("list_policies", vhost="v", columns=["name"])
        control.ask("close_all_connections", reason="be gone")
        control.ask("plugins")
        control.ask("change_plugins", action="enable", names=["rabbitmq_shovel"])
        control.ask("stop_app")
        self.fails("not_running", control, "delete_vhost", name="v")
        self.assertEqual(node.end(), 0)
        who = f'"tester" (uid {os.getuid()}, pid {os.getpid()})'
        lines = [line.split("audit: ", 1)[1] for line in self.log().splitlines() if "audit: " in line]
        self.assertEqual(lines, [
            f'done by {who}: add_vhost name="v"',
            f'done by {who}: set_policy name="p" vhost="v" pattern="^q" definition="{{\\"max-length\\":3}}"',
            f'refused to {who}, no_such_vhost: set_policy name="p" vhost="x" pattern="^q" definition="{{\\"max-length\\":3}}"',
            f'done by {who}: close_all_connections reason="be gone"',
            f'done by {who}: change_plugins action="enable" names=["rabbitmq_shovel"]',
            f'done by {who}: stop_app',
            f'refused to {who}, not_running: delete_vhost name="v"',
        ])

    def test_names_that_the_log_of_declared_things_cannot_hold_are_refused(self):
        node, control = self.node()
        patterns = {"configure": ".*", "write": ".*", "read": ".*"}
        for command, arguments in (
                ("add_user", {"name": LONG, "password": "x"}),
                ("delete_user", {"name": LONG}),
                ("change_password", {"name": LONG, "password": "x"}),
                ("set_user_tags", {"name": LONG, "tags": []}),
                ("set_permissions", {"user": LONG, **patterns}),
                ("set_permissions", {"user": "guest", "vhost": LONG, **patterns}),
                ("set_permissions_globally", {"user": LONG, **patterns}),
                ("clear_permissions", {"user": LONG}),
                ("set_topic_permissions", {"user": "guest", "exchange": LONG, "write": "", "read": ""}),
                ("clear_topic_permissions", {"user": "guest", "exchange": LONG}),
                ("add_vhost", {"name": LONG}),
                ("add_vhost", {"name": "v", "default_queue_type": LONG}),
                ("delete_vhost", {"name": LONG}),
                ("update_vhost_metadata", {"name": LONG, "description": ""}),
                ("set_tracing", {"vhost": LONG, "is_tracing": True}),
                ("set_policy", {"name": LONG, "pattern": "", "definition": '{"max-length":1}'}),
                ("set_policy", {"name": "p", "pattern": "", "definition": '{"max-length":1}', "apply_to": LONG}),
                ("clear_policy", {"name": LONG}),
                ("set_parameter", {"component": LONG, "name": "n", "value": "1"}),
                ("set_parameter", {"component": "shovel", "name": LONG, "value": "1"}),
                ("clear_parameter", {"component": "shovel", "name": LONG}),
                ("set_global_parameter", {"name": LONG, "value": "1"}),
                ("clear_global_parameter", {"name": LONG}),
                ("set_vhost_limits", {"vhost": LONG, "definition": "{}"}),
                ("set_user_limits", {"name": LONG, "definition": "{}"}),
                ("clear_user_limits", {"name": "guest", "limit": LONG}),
                ("delete_queue", {"name": LONG}),
                ("list_permissions", {"vhost": LONG}),
                ("list_user_permissions", {"user": LONG})):
            self.fails("bad_argument", control, command, **arguments)
        for command, arguments in (
                ("add_user", {"name": 7, "password": "x"}),
                ("set_user_tags", {"name": "guest", "tags": "a"}),
                ("update_vhost_metadata", {"name": "/", "is_protected": "yes"}),
                ("set_policy", {"name": "p", "pattern": "", "definition": "{}", "priority": "high"}),
                ("delete_queue", {"name": "q", "if_empty": 1}),
                ("set_alarm", {"resource": "disk", "on": "yes"}),
                ("free_disk_space_monitoring", {"on": 1}),
                ("import_definitions", {"skip_if_unchanged": "true"}),
                ("list_queues", {"offline": 1}),
                ("list_unresponsive_queues", {"timeout_ms": "1"}),
                ("close_connection", {"pid": "<a.1.2.0>"}),
                ("close_all_connections", {"reason": "x", "limit": 1.5})):
            self.fails("bad_request", control, command, **arguments)
        self.assertEqual(node.end(), 0)
        node, control = self.node()  # and reads everything that it kept
        control.ask("authenticate_user", name="guest", password="guest")

    def test_the_clusters_name_is_shown_as_it_was_set_or_refused(self):
        _, control = self.node()
        for name in ("mine", "n" * 255, "\u00e9" * 127, "a 'b' / {c}"):
            control.ask("set_cluster_name", name=name)
            self.assertEqual(control.ask("cluster_status")["cluster_name"], name)
        for name in ("", 'a"b', "a\\b", "a\nb", "n" * 256):
            self.fails("bad_argument", control, "set_cluster_name", name=name)
            self.assertEqual(control.ask("cluster_status")["cluster_name"], "a 'b' / {c}")

    def connect(self, node, count, user="guest"):
        """Connections on both shards, half of which have moved to a queue's."""
        login = pika.PlainCredentials(user, user)
        opened = [pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", node.port, credentials=login, heartbeat=0))
                  for _ in range(count)]
        for i, connection in enumerate(opened[::2]):
            connection.channel().queue_declare(f"q{i % 4}")
        return opened

    def closed_with(self, connections):
        """What the server says to each when it closes it."""
        said, deadline = [], time.monotonic() + DEADLINE_S
        for connection in connections:
            try:
                while time.monotonic() < deadline:
                    connection.process_data_events(0.1)
            except pika.exceptions.ConnectionClosed as e:
                said.append((e.reply_code, e.reply_text))
        return said

    def test_connections_are_closed_on_every_shard_and_counted(self):
        node, control = self.node()
        connections = self.connect(node, 20)
        self.assertEqual(control.ask("close_all_connections", reason="three", limit=3), {"closed": 3})
        self.assertEqual(control.ask("close_all_connections", vhost="other", reason="none"), {"closed": 0})
        self.assertEqual(control.ask("close_all_connections", reason="slow", limit=3, delay_ms=20), {"closed": 3})
        self.assertEqual(control.ask("close_all_connections", reason="rest", **{"global": True}), {"closed": 14})
        said = self.closed_with(connections)
        for reason, count in (("three", 3), ("slow", 3), ("rest", 14)):
            self.assertEqual(said.count((320, f"CONNECTION_FORCED - {reason}")), count)

    def test_a_deleted_users_connections_are_closed_and_no_others(self):
        node, control = self.node()
        control.ask("add_user", name="u", password="u")
        control.ask("set_permissions", user="u", configure=".*", write=".*", read=".*")
        theirs, others = self.connect(node, 10, "u"), self.connect(node, 4)
        control.ask("delete_user", name="u")
        self.assertEqual(self.closed_with(theirs), [(320, "CONNECTION_FORCED - user 'u' is deleted")] * 10)
        for connection in others:
            connection.channel()
            connection.close()

    def test_new_passwords_are_held_to_the_rules_and_hashes_and_old_ones_are_not(self):
        node, control = self.node()
        control.ask("add_user", name="old", password="x")
        self.assertEqual(node.end(), 0)
        node, control = self.node(
            "credential_validator.validation_backend = rabbit_credential_validator_min_password_length",
            "credential_validator.min_length = 8")
        control.ask("authenticate_user", name="old", password="x")
        text = self.fails("refused", control, "add_user", name="new", password="seven77")
        self.assertEqual(text, "minimum required password length is 8")
        self.fails("refused", control, "change_password", name="old", password="seven77")
        control.ask("authenticate_user", name="old", password="x")
        self.fails("no_such_user", control, "list_user_permissions", user="new")
        control.ask("add_user", name="new", password="eight888")
        control.ask("add_user", name="hashed", password_hash=hash_of("x"))
        control.ask("authenticate_user", name="hashed", password="x")


if __name__ == "__main__":
    unittest.main()
