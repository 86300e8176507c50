#!/usr/bin/env python3
"""The event exchange of a node whose plugin is enabled, and the log's: what is told, to whom, and what a restart keeps of it.

events_test.py LEVERET LEVERETCTL

The expected fields are those that RabbitMQ 3.10.8 sends for the same actions.
"""
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from control_test import DEADLINE_S, Control, Failure, Node, pika  # it takes the first argument

LEVERETCTL = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else "build/debug/leveretctl"
os.environ["RABBITMQ_ENABLED_PLUGINS"] = "rabbitmq_event_exchange"

EXCHANGE = "amq.rabbitmq.event"
VARYING = {"timestamp_in_ms", "pid", "connection", "channel", "connected_at", "node"}


class Events(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="leveret-events.")
        self.data = self.dir.name + "/data"
        self.node = Node(self.data).ready()
        self.connection = self.node.connect()
        self.channel = self.connection.channel()
        self.queue = self.channel.queue_declare("", exclusive=True).method.queue

    def tearDown(self):
        if self.connection.is_open:
            self.connection.close()
        if self.node.process.returncode is None:
            self.assertEqual(self.node.end(), 0)
        self.dir.cleanup()

    def listen(self, *keys):
        for key in keys:
            self.channel.queue_bind(self.queue, EXCHANGE, key)

    def ctl(self, *words):
        subprocess.run([LEVERETCTL, "--data-dir", self.data, "-q", *words], check=True, stdout=subprocess.DEVNULL)

    def next(self):
        """The next event: its key and headers."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            method, properties, body = self.channel.basic_get(self.queue, auto_ack=True)
            if method:
                self.assertEqual((method.exchange, body, properties.delivery_mode), (EXCHANGE, b"", 2))
                self.assertEqual(properties.headers["timestamp_in_ms"] // 1000, properties.timestamp)
                self.assertLess(abs(time.time() - properties.timestamp), 3600)
                return method.routing_key, properties.headers
        self.fail("no event came")

    def expect(self, key, **fields):
        """The next one has exactly these fields, beside those that vary, which are returned."""
        got, headers = self.next()
        self.assertEqual(got, key)
        self.assertEqual({k: v for k, v in headers.items() if k not in VARYING}, fields)
        return headers

    def test_a_recent_history_keeps_events_without_a_queue(self):
        self.channel.exchange_declare("h", "x-recent-history")
        self.channel.exchange_bind("h", EXCHANGE, "queue.created")
        self.channel.queue_declare("q")
        self.channel.queue_bind(self.queue, "h", "")
        key, headers = self.next()
        self.assertEqual((key, headers["name"]), ("queue.created", "q"))

    def test_a_long_recent_history_is_there_before_what_its_binder_does_next(self):
        length = 9000  # more than a ring between two shards takes
        self.channel.confirm_delivery()
        self.channel.exchange_declare("long", "x-recent-history", arguments={"x-recent-history-length": length})
        for i in range(length):
            self.channel.basic_publish("long", "", b"")
        others = [self.node.connect() for _ in range(4)]  # on both shards
        for i, channel in enumerate(connection.channel() for connection in others):
            for name in (f"{i}a", f"{i}b"):  # on both shards
                channel.queue_declare(name)
                channel.queue_bind(name, "long", "")
                self.assertEqual(channel.queue_purge(name).method.message_count, length)
                channel.exchange_declare("to." + name, "fanout")
                channel.queue_bind(name, "to." + name)
                channel.exchange_bind("to." + name, "long", "")
                self.assertEqual(channel.queue_purge(name).method.message_count, length)
                channel.queue_unbind(name, "long", "")
        for connection in others:
            connection.close()

    def test_queues_exchanges_and_bindings_come_and_go(self):
        self.listen("queue.*", "exchange.*", "binding.*")
        key, headers = self.next()  # of the last one itself
        self.assertEqual((key, headers["source_name"], headers["routing_key"]), ("binding.created", EXCHANGE, "binding.*"))
        by = {"user_who_performed_action": "guest", "vhost": "/"}
        self.channel.exchange_declare("x", "fanout", arguments={"alternate-exchange": "amq.fanout"})
        self.expect("exchange.created", name="x", type="fanout", durable=False, auto_delete=False, internal=False, policy="",
                    arguments=['{<<"alternate-exchange">>,longstr,<<"amq.fanout">>}'], **by)
        self.channel.queue_declare("q", durable=True, arguments={"x-max-length": 5})
        self.expect("queue.created", name="q", durable=True, auto_delete=False, exclusive=False, owner_pid="",
                    arguments=['{<<"x-max-length">>,signedint,5}'], **by)
        self.channel.queue_declare("q", durable=True, arguments={"x-max-length": 5})  # nothing comes of it
        self.channel.queue_bind("q", "x", "key", {"a": "b"})
        binding = {"source_kind": "exchange", "source_name": "x", "destination_kind": "queue", "destination_name": "q", "routing_key": "key",
                   "arguments": ['{<<"a">>,longstr,<<"b">>}'], "vhost": "/"}
        self.expect("binding.created", user_who_performed_action="guest", **binding)
        self.channel.queue_delete("q")
        self.expect("binding.deleted", user_who_performed_action="rmq-internal", **binding)
        self.expect("queue.deleted", name="q", **by)
        self.channel.exchange_delete("x")
        self.expect("exchange.deleted", name="x", **by)

    def test_connections_channels_and_consumers_come_and_go(self):
        self.listen("connection.*", "channel.*", "consumer.*", "user.authentication.*")
        other = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.node.port, heartbeat=0,
                                                                  client_properties={"connection_name": "mine"}))
        key, login = self.next()
        self.assertEqual(key, "user.authentication.success")
        self.assertEqual((login["name"], login["auth_mechanism"], login["ssl"], login["peer_host"], login["protocol"], login["connection_type"]),
                         ("guest", "PLAIN", False, "{127,0,0,1}", "{0,9,1}", "network"))
        key, created = self.next()
        self.assertEqual(key, "connection.created")
        self.assertEqual((created["name"], created["user"], created["vhost"], created["port"], created["user_provided_name"], created["frame_max"]),
                         (login["connection_name"], "guest", "/", self.node.port, "mine", 131072))
        self.assertIn('{<<"connection_name">>,longstr,<<"mine">>}', created["client_properties"])
        channel = other.channel()
        opened = self.expect("channel.created", name=created["name"] + " (1)", number=1, user="guest", vhost="/",
                             user_who_performed_action="guest")
        self.assertEqual(opened["connection"], created["pid"])
        channel.queue_declare("q", auto_delete=True)
        channel.basic_qos(prefetch_count=7)
        channel.basic_consume("q", lambda *_: None, consumer_tag="tag", arguments={"x-priority": 3})
        consumer = self.expect("consumer.created", queue="q", vhost="/", consumer_tag="tag", exclusive=False, ack_required=True, prefetch_count=7,
                               arguments=['{<<"x-priority">>,signedint,3}'], user_who_performed_action="guest")
        self.assertEqual(consumer["channel"], opened["pid"])
        channel.basic_cancel("tag")
        self.expect("consumer.deleted", queue="q", vhost="/", consumer_tag="tag", user_who_performed_action="guest")
        channel.close()
        self.assertEqual(self.expect("channel.closed", user_who_performed_action="guest")["pid"], opened["pid"])
        other.close()
        key, closed = self.next()
        self.assertEqual((key, closed["pid"], closed["name"]), ("connection.closed", created["pid"], created["name"]))

    def test_a_refused_login_is_told_with_its_reason(self):
        self.listen("user.authentication.failure")
        with self.assertRaises(pika.exceptions.AMQPConnectionError):
            pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.node.port, credentials=pika.PlainCredentials("guest", "wrong")))
        _, headers = self.next()
        self.assertEqual(headers["name"], "guest")
        self.assertEqual("".join(map(chr, headers["error"])), "user 'guest' - invalid credentials")

    def test_what_operators_do_is_told(self):
        self.listen("user.#", "permission.#", "topic.#", "vhost.#", "policy.#", "parameter.#")
        by = {"user_who_performed_action": "rmq-cli"}
        self.ctl("add_user", "u", "secret")
        self.expect("user.created", name="u", **by)
        self.ctl("change_password", "u", "other")
        self.expect("user.password.changed", name="u", **by)
        self.ctl("clear_password", "u")
        self.expect("user.password.cleared", name="u", **by)
        self.ctl("set_user_tags", "u", "monitoring", "policymaker")
        self.expect("user.tags.set", name="u", tags=["monitoring", "policymaker"], **by)
        self.ctl("set_permissions", "u", "a", "b", "c")
        self.expect("permission.created", user="u", vhost="/", configure="a", write="b", read="c", **by)
        self.ctl("clear_permissions", "u")
        self.expect("permission.deleted", user="u", vhost="/", **by)
        self.ctl("set_topic_permissions", "u", "amq.topic", "a", "b")
        self.expect("topic.permission.created", user="u", vhost="/", exchange="amq.topic", write="a", read="b", **by)
        self.ctl("clear_topic_permissions", "u")
        self.expect("topic.permission.deleted", user="u", vhost="/", **by)
        self.ctl("set_policy", "--priority", "1", "--apply-to", "queues", "p", "^q$", '{"max-length":7}')
        self.expect("policy.set", name="p", vhost="/", pattern="^q$", definition={"max-length": 7}, priority=1, **{"apply-to": "queues"}, **by)
        self.ctl("clear_policy", "p")
        self.expect("policy.cleared", name="p", vhost="/", **by)
        self.listen("operator.#")
        self.ctl("set_operator_policy", "o", "^q$", '{"max-length":7}')
        value = {"pattern": "^q$", "definition": {"max-length": 7}, "priority": 0, "apply-to": "all"}
        self.expect("parameter.set", name="o", component="operator_policy", vhost="/", value=value, **by)
        self.expect("policy.set", name="o", vhost="/", **value, **by)
        self.ctl("clear_operator_policy", "o")
        self.expect("parameter.cleared", name="o", component="operator_policy", vhost="/", **by)
        self.expect("operator.policy.cleared", name="o", vhost="/", **by)
        self.ctl("set_global_parameter", "g", '{"a":[1,"x",true]}')
        self.expect("parameter.set", name="g", component="global", value={"a": [1, "x", True]}, **by)
        self.ctl("add_vhost", "v")
        key, headers = self.next()
        self.assertEqual((key, headers["name"], headers["tracing"]), ("vhost.created", "v", False))
        self.ctl("update_vhost_metadata", "v", "--description", "ours", "--default-queue-type", "quorum")
        key, headers = self.next()
        self.assertEqual((key, headers["name"], headers["description"], headers["default_queue_type"]), ("vhost.updated", "v", "ours", "quorum"))
        self.ctl("trace_on", "-p", "v")  # is not told
        self.ctl("set_vhost_limits", "-p", "v", '{"max-queues":3}')
        self.expect("parameter.set", name="limits", component="vhost-limits", vhost="v", value={"max-queues": 3}, **by)
        self.expect("vhost.limits.set", name="limits", **{"max-queues": 3}, **by)
        self.ctl("delete_vhost", "v")
        self.expect("parameter.cleared", name="limits", component="vhost-limits", vhost="v", **by)
        self.expect("vhost.limits.cleared", name="limits", **by)
        self.expect("vhost.deleted", name="v", **by)
        self.ctl("delete_user", "u")
        self.expect("user.deleted", name="u", **by)

    def test_queues_tell_of_the_policies_that_apply_to_them(self):
        self.channel.queue_declare("pq1", durable=True)
        self.listen("queue.#", "policy.#")
        self.channel.queue_declare("pq2", durable=True, arguments={"x-queue-type": "quorum"})
        by = {"vhost": "/", "user_who_performed_action": "rmq-cli"}
        self.expect("queue.created", name="pq2", durable=True, auto_delete=False, exclusive=False, type="rabbit_quorum_queue", vhost="/",
                    arguments=['{<<"x-queue-type">>,longstr,<<"quorum">>}'], user_who_performed_action="guest")

        def both(key, **fields):
            found = sorted((self.next() for _ in range(2)), key=lambda event: event[1]["name"])
            for (got, headers), name, kind in zip(found, ("pq1", "pq2"), ("classic", "quorum")):
                self.assertEqual(got, key)
                self.assertEqual({k: v for k, v in headers.items() if k not in VARYING}, {"name": name, "type": f"rabbit_{kind}_queue", **fields, **by})

        for most in (7, 8, 8):  # the third time nothing changes
            self.ctl("set_policy", "p", "^pq", json.dumps({"max-length": most}))
        for most in (7, 8):
            policy = {"pattern": "^pq", "definition": {"max-length": most}, "priority": 0, "apply-to": "all"}
            both("queue.policy.updated", **policy)
            self.expect("policy.set", name="p", **policy, **by)
        self.ctl("set_policy", "high", "^pq1", '{"max-length":9}', "--priority", "4")
        policy = {"pattern": "^pq1", "definition": {"max-length": 9}, "priority": 4, "apply-to": "all"}
        self.expect("queue.policy.updated", name="pq1", type="rabbit_classic_queue", **policy, **by)
        self.expect("policy.set", name="high", **policy, **by)
        self.ctl("clear_policy", "high")
        self.expect("queue.policy.cleared", name="pq1", type="rabbit_classic_queue", **by)
        self.expect("policy.cleared", name="high", **by)
        self.ctl("set_operator_policy", "o", "^pq", '{"message-ttl":100000}')
        policy = {"pattern": "^pq", "definition": {"message-ttl": 100000}, "priority": 0, "apply-to": "all"}
        both("queue.policy.updated", **policy)
        self.expect("policy.set", name="o", **policy, **by)
        self.ctl("clear_operator_policy", "o")
        both("queue.policy.cleared")
        self.ctl("set_policy", "other", "^nothing", '{"max-length":9}')
        self.expect("policy.set", name="other", pattern="^nothing", definition={"max-length": 9}, priority=0, **{"apply-to": "all"}, **by)

    def test_parameters_and_limits_are_told_when_they_change(self):
        self.listen("parameter.#", "vhost.#", "user.limits.#", "policy.#", "operator.#")
        by = {"user_who_performed_action": "rmq-cli"}
        limits = {"name": "limits", "component": "vhost-limits", "vhost": "/"}
        upstream = {"name": "up", "component": "federation-upstream"}
        self.ctl("set_vhost_limits", '{"max-queues":100,"max-connections":9}')
        self.expect("parameter.set", value={"max-queues": 100, "max-connections": 9}, **limits, **by)
        self.expect("vhost.limits.set", name="limits", **{"max-queues": 100, "max-connections": 9}, **by)
        self.ctl("set_vhost_limits", "{}")
        self.expect("parameter.set", value={}, **limits, **by)
        self.expect("vhost.limits.set", name="limits", **by)
        self.ctl("clear_vhost_limits")
        self.expect("parameter.cleared", **limits, **by)
        self.expect("vhost.limits.cleared", name="limits", **by)
        self.ctl("set_user_limits", "guest", '{"max-channels":100}')
        self.expect("user.limits.set", name="limits", username="guest", **{"max-channels": 100}, **by)
        self.ctl("set_user_limits", "guest", '{"max-connections":100}')
        self.expect("user.limits.set", name="limits", username="guest", **{"max-connections": 100}, **by)
        for limit in ("max-channels", "all"):
            self.ctl("clear_user_limits", "guest", limit)
            self.expect("user.limits.cleared", name="limits", username="guest", **by)
        for port in (1, 2, 2):
            self.ctl("set_parameter", "federation-upstream", "up", json.dumps({"uri": f"amqp://localhost:{port}"}))
        for port in (1, 2):
            self.expect("parameter.set", vhost="/", value={"uri": f"amqp://localhost:{port}"}, **upstream, **by)
        self.ctl("clear_parameter", "federation-upstream", "up")
        self.expect("parameter.cleared", vhost="/", **upstream, **by)
        self.ctl("set_global_parameter", "g", "5")
        self.expect("parameter.set", name="g", component="global", value=5, **by)
        self.ctl("clear_global_parameter", "g")
        self.expect("parameter.set", name="g", component="global", **by)

    def test_what_goes_with_a_vhost_is_told(self):
        self.ctl("add_vhost", "v")
        self.ctl("set_policy", "-p", "v", "p", "^", '{"max-length":7}')
        self.ctl("set_operator_policy", "-p", "v", "o", "^", '{"max-length":7}')
        self.ctl("set_vhost_limits", "-p", "v", '{"max-queues":5}')
        self.ctl("set_parameter", "-p", "v", "federation-upstream", "up", '{"uri":"amqp://localhost"}')
        self.listen("parameter.#", "vhost.#", "policy.#", "operator.#")
        self.ctl("delete_vhost", "v")
        by = {"user_who_performed_action": "rmq-cli"}
        self.expect("parameter.cleared", name="limits", component="vhost-limits", vhost="v", **by)
        self.expect("vhost.limits.cleared", name="limits", **by)
        self.expect("parameter.cleared", name="up", component="federation-upstream", vhost="v", **by)
        self.expect("policy.cleared", name="p", vhost="v", **by)
        self.expect("parameter.cleared", name="o", component="operator_policy", vhost="v", **by)
        self.expect("operator.policy.cleared", name="o", vhost="v", **by)
        self.expect("vhost.deleted", name="v", **by)

    def test_alarms_are_told(self):
        self.listen("alarm.*")
        self.ctl("set_vm_memory_high_watermark", "0.00001")
        self.assertEqual(self.expect("alarm.set", source="memory")["node"].split("@")[0], "rabbit")
        self.ctl("set_vm_memory_high_watermark", "0.6")
        self.expect("alarm.cleared", source="memory")

    def test_bindings_outlive_a_restart_and_the_exchange_its_plugin(self):
        self.channel.queue_declare("kept", durable=True)
        self.channel.queue_bind("kept", EXCHANGE, "user.created")
        self.connection.close()
        self.assertEqual(self.node.end(), 0)
        self.node = Node(self.data).ready()
        self.ctl("add_user", "u", "secret")
        self.connection = self.node.connect()
        self.channel = self.connection.channel()
        self.queue = "kept"
        self.expect("user.created", name="u", user_who_performed_action="rmq-cli")
        self.connection.close()
        self.assertEqual(self.node.end(), 0)
        os.environ["RABBITMQ_ENABLED_PLUGINS"] = ""
        try:
            self.node = Node(self.data).ready()
        finally:
            os.environ["RABBITMQ_ENABLED_PLUGINS"] = "rabbitmq_event_exchange"
        self.connection = self.node.connect()
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as caught:
            self.connection.channel().exchange_declare(EXCHANGE, passive=True)
        self.assertEqual(caught.exception.reply_code, 404)

    def test_clients_cannot_publish_to_it_or_delete_it(self):
        for act in (lambda ch: ch.exchange_delete(EXCHANGE), lambda ch: ch.exchange_declare("amq.rabbitmq.eventual", "topic"),
                    lambda ch: (ch.basic_publish(EXCHANGE, "k", b""), ch.queue_declare("", exclusive=True))):
            with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as caught:
                act(self.connection.channel())
            self.assertEqual(caught.exception.reply_code, 403)


class Log(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="leveret-log.")
        self.node = None

    def tearDown(self):
        if self.node and self.node.process.returncode is None:
            self.node.process.kill()
            self.node.wait()
        self.dir.cleanup()

    def start(self, *settings):
        self.node = Node(self.dir.name + "/data", *settings).ready()
        return self.node.connect()

    def ctl(self, *words):
        return subprocess.run([LEVERETCTL, "--data-dir", self.dir.name + "/data", *words], check=True, text=True, stdout=subprocess.PIPE).stdout

    def lines_until(self, channel, queue, text):
        found, end = [], time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            if method:
                found.append((method.routing_key, properties, body.decode()))
                if text in found[-1][2]:
                    return found
        self.fail(f"no line with {text!r} came: {found}")

    def test_the_log_is_published_by_level(self):
        with self.start("log.exchange = true", "log.exchange.level = info") as connection:
            channel = connection.channel()
            channel.queue_declare("all")
            channel.queue_bind("all", "amq.rabbitmq.log", "#")
            channel.queue_declare("errors")
            channel.queue_bind("errors", "amq.rabbitmq.log", "error")
            self.node.connect().close()
            found = self.lines_until(channel, "all", "closing AMQP connection")
            for key, properties, line in found:
                self.assertRegex(line, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d \[" + key + r"\] <0\.\d+\.0> .+\n$")
                self.assertEqual((properties.content_type, list(properties.headers), properties.delivery_mode), ("text/plain", ["node"], None))
                self.assertLess(abs(time.time() - properties.timestamp), 3600)
            self.assertEqual({key for key, _, _ in found}, {"info"})
            self.assertIsNone(channel.basic_get("errors")[0])
            self.assertIn('exchange:{resource,<<"/">>,exchange,<<"amq.rabbitmq.log">>}', self.ctl("status"))
            with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
                channel.basic_publish("amq.rabbitmq.log", "info", b"mine")
                channel.queue_declare("all", passive=True)
            self.assertEqual(refused.exception.reply_code, 403)
        self.ctl("stop_app")
        self.ctl("start_app")  # the log goes on, the node is another
        with self.node.connect() as connection:
            channel = connection.channel()
            channel.queue_declare("late", exclusive=True)
            channel.queue_bind("late", "amq.rabbitmq.log", "#")
            self.node.connect().close()
            self.lines_until(channel, "late", "closing AMQP connection")
        self.assertEqual(self.node.end(), 0)

    def test_as_json_and_only_from_its_level_on(self):
        with self.start("log.exchange = true", "log.exchange.level = error", "log.exchange.formatter = json") as connection:
            channel = connection.channel()
            channel.queue_declare("q", exclusive=True)
            channel.queue_bind("q", "amq.rabbitmq.log", "#")
            self.node.connect().close()
            with socket.create_connection(("127.0.0.1", self.node.port)) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                stranger.recv(100)
            found = self.lines_until(channel, "q", "protocol header")
            self.assertEqual(len(found), 1)
            self.assertEqual((found[0][0], found[0][1].content_type, json.loads(found[0][2])["level"]), ("error", "application/json", "error"))
        self.assertEqual(self.node.end(), 0)

    def test_the_log_is_streamed_as_it_grows(self):
        self.start().close()
        data = self.dir.name + "/data"
        words = [LEVERETCTL, "--data-dir", data, "log_tail_stream"]
        with subprocess.Popen([*words, "--duration", "600"], text=True, stdout=subprocess.PIPE) as tool:
            def until(text):
                return next(line for line in tool.stdout if text in line)

            try:
                self.assertRegex(until(""), "^Streaming logs from node .* for 600 seconds ...\n$")
                for moved in ("1", "2", "3"):
                    self.node.connect().close()
                    self.assertRegex(until("closing AMQP connection"), r"\[info\]")
                    os.rename(data + ".log", data + ".log." + moved)
                    self.ctl("rotate_logs")
            finally:
                tool.kill()
        done = subprocess.run([*words, "-q", "-d", "1"], timeout=DEADLINE_S, check=True, text=True, stdout=subprocess.PIPE)
        self.assertNotIn("Streaming", done.stdout)

    def listen(self, **arguments):
        control = Control.local(self.dir.name + "/data")
        self.addCleanup(control.close)
        control.send("consume_event_stream", **arguments)
        self.assertEqual(control.lines.readline(), b'd ""\n')
        return control

    @staticmethod
    def next_event(control):
        return json.loads(json.loads(control.lines.readline()[2:]))

    def test_events_are_streamed_without_the_plugin(self):
        os.environ.pop("RABBITMQ_ENABLED_PLUGINS")
        self.addCleanup(os.environ.__setitem__, "RABBITMQ_ENABLED_PLUGINS", "rabbitmq_event_exchange")
        with self.start() as connection:
            queues, users = self.listen(pattern=r"queue\..*"), self.listen(pattern="^user.(created|deleted)$")
            channel = connection.channel()
            channel.queue_declare("q", durable=True, arguments={"x-max-length": 5})
            event = self.next_event(queues)
            self.assertEqual(list(event)[0], "event")
            self.assertLess(abs(time.time() - event.pop("timestamp_in_ms") / 1000), 3600)
            self.assertEqual(event, {"event": "queue.created", "name": "q", "durable": True, "auto_delete": False, "exclusive": False,
                                     "owner_pid": "", "arguments": ['{<<"x-max-length">>,signedint,5}'], "vhost": "/",
                                     "user_who_performed_action": "guest"})
            channel.queue_delete("q")
            self.assertEqual(self.next_event(queues)["event"], "queue.deleted")
            self.ctl("add_user", "ann", "secret")
            self.assertEqual(self.next_event(users)["name"], "ann")
            late = self.listen(duration_s=1)  # nothing of what was before
            self.assertEqual(late.lines.readline(), b"o {}\n")
            with self.assertRaises(Failure):
                late.ask("consume_event_stream", pattern="(")
        self.assertEqual(self.node.end(), 0)

    def test_a_reader_that_stops_loses_events_and_is_told(self):
        with self.start() as connection:
            control, channel = self.listen(pattern="queue.created"), connection.channel()
            for i in range(20000):  # more than its stream and its socket keep
                channel._impl._send_method(pika.spec.Queue.Declare(queue=f"{i:0200}", exclusive=True, nowait=True))
            channel.queue_declare("last", exclusive=True)
            count, lost = 0, 0
            while count + lost < 20001:
                event = self.next_event(control)
                lost += event.get("count", 0)
                count += event["event"] == "queue.created"
            self.assertTrue(count > 0 and lost > 0)

    def test_the_exchange_goes_with_the_key(self):
        self.start("log.exchange = true").close()
        self.assertIn("amq.rabbitmq.log\ttopic\ttrue\ttrue", self.ctl("list_exchanges", "name", "type", "durable", "internal"))
        self.assertEqual(self.node.end(), 0)
        self.start().close()
        self.assertNotIn("amq.rabbitmq.log", self.ctl("list_exchanges"))
        self.assertEqual(self.node.end(), 0)


if __name__ == "__main__":
    unittest.main()
