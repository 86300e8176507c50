#!/usr/bin/env python3
"""What a client or an operator can make dear costs them, not the others: while it happens another connection of the same shard is
answered in time.

stall_test.py LEVERET
"""
import itertools
import json
import os
import tempfile
import threading
import time
import unittest

from control_test import Control, Node, pika

BINDINGS, QUEUES = 20_000, 20_000
ROUND_TRIP_MAX_S = 2  # a busy machine; what is tested for took 10 s and more
DEADLINE_S = 60


class Others(threading.Thread):
    """Connections that ask for something trivial all the time; some live on each shard."""

    def __init__(self, node):
        super().__init__()
        self.connections = [node.connect() for _ in range(4)]
        self.channels = [c.channel() for c in self.connections]
        self.is_over, self.round, self.worst = threading.Event(), threading.Event(), 0

    def run(self):
        while not self.is_over.is_set():
            for channel in self.channels:
                asked = time.monotonic()
                channel.basic_qos()
                self.worst = max(self.worst, time.monotonic() - asked)
            self.round.set()

    def end(self):
        self.is_over.set()
        self.join()
        for c in self.connections:
            c.close()


class StallTest(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="leveret-stall.")
        self.node = Node(os.path.join(self.dir.name, "data")).ready()
        self.connection = self.node.connect()
        self.channel = self.connection.channel()

    def tearDown(self):
        self.connection.close()
        self.node.end()
        self.dir.cleanup()

    def tell(self, method):
        """Without waiting for an answer."""
        self.channel._impl._send_method(method)

    def settle(self, channel=None):
        (channel or self.channel).queue_declare("q")

    def while_others_ask(self, deed):
        others = Others(self.node)
        others.start()
        try:
            deed()
            for _ in range(2):  # who was asked during the deed has answered
                others.round.clear()
                self.assertTrue(others.round.wait(DEADLINE_S), "the others are not answered")
        finally:
            others.end()
        self.assertLess(others.worst, ROUND_TRIP_MAX_S)

    def publish(self, exchange, keys, properties=None):
        """By a new connection, in as few writes as possible."""
        connection = self.node.connect()
        channel = connection.channel()
        for key in keys:
            channel._impl.basic_publish(exchange, key, b"m", properties)
        self.settle(channel)
        connection.close()

    def test_headers_that_many_bindings_ask_for(self):
        self.channel.exchange_declare("x", "headers")
        self.settle()
        arguments = {"x-match": "any", "a": "1", "b": "2"}
        for i in range(BINDINGS):
            self.tell(pika.spec.Queue.Bind(queue="q", exchange="x", routing_key=str(i), nowait=True, arguments=arguments))
        self.settle()
        headers = pika.BasicProperties(headers={"a": "1", "b": "2"})
        self.while_others_ask(lambda: self.publish("x", [""] * 200, headers))
        self.assertEqual(self.channel.queue_declare("q", passive=True).method.message_count, 200)

    def test_topics_with_very_many_places_to_be_at(self):
        self.channel.exchange_declare("x", "topic")
        self.settle()
        for words in itertools.product("a*", repeat=14):
            self.tell(pika.spec.Queue.Bind(queue="q", exchange="x", routing_key=".".join(words) + ".#.z", nowait=True))
        self.settle()
        many = ".".join("a" * 125)
        self.while_others_ask(lambda: self.publish("x", [f"{many}.{i}" for i in range(50)]))

    def test_topic_of_a_hundred_hashes(self):
        self.channel.exchange_declare("x", "topic")
        self.settle()
        self.channel.queue_bind("q", "x", ".".join("#" * 128))
        self.channel.queue_bind("q", "x", "#.a." * 63 + "#")
        many = ".".join("a" * 125)
        self.while_others_ask(lambda: self.publish("x", [f"{many}.{i}" for i in range(200)]))
        self.assertEqual(self.channel.queue_declare("q", passive=True).method.message_count, 200)

    def test_policies_of_many_queues(self):
        names = [f"{'a' * 200}{i}" for i in range(QUEUES)]
        for name in names:
            self.tell(pika.spec.Queue.Declare(queue=name, nowait=True, exclusive=True))
        self.settle()
        control = Control.local(self.node.data)

        def set_and_clear():
            for pattern in ("^a", "(a+)+[bc]", "a*a*[bc]", "^(a|a)*$") * 5:
                control.ask("set_policy", vhost="/", name="p", pattern=pattern, definition=json.dumps({"max-length": 5}))
                control.ask("clear_policy", vhost="/", name="p")

        self.while_others_ask(set_and_clear)
        control.close()

    def test_permissions_with_dear_patterns(self):
        control = Control.local(self.node.data)
        control.ask("add_user", name="eve", password="eve")
        control.ask("set_permissions", vhost="/", user="eve", configure="a*a*a*[bc]", write="", read="")
        control.close()
        eve = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.node.port, heartbeat=0,
                                                                credentials=pika.PlainCredentials("eve", "eve")))

        def declare():
            for i in range(100):
                with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
                    eve.channel().queue_declare(f"{'a' * 240}{i}", exclusive=True)
                self.assertEqual(refused.exception.reply_code, 403)

        try:
            self.while_others_ask(declare)
        finally:
            eve.close()


if __name__ == "__main__":
    unittest.main()
