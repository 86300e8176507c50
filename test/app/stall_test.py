#!/usr/bin/env python3
"""What a client or an operator can make dear costs them, not the others: while it happens another connection of the same shard is
answered in time.

stall_test.py LEVERET
"""
import itertools
import json
import multiprocessing
import os
import sys
import tempfile
import time
import unittest

from control_test import Control, Node, pika

BINDINGS, QUEUES = 100_000, 100_000
ROUND_TRIP_MAX_S = 2  # a busy machine; what is tested for took 10 s and more
DEADLINE_S = 60


class Others:
    """Connections that ask for something trivial all the time; some live on each shard. In a process of their own: what the test itself
    works out is nobody's waiting."""

    def __init__(self, node):
        self.is_over, self.round, self.worst = multiprocessing.Event(), multiprocessing.Event(), multiprocessing.Value("d", 0)
        self.process = multiprocessing.Process(target=self.run, args=(node,))

    def start(self):
        self.process.start()

    def run(self, node):
        connections = [node.connect() for _ in range(4)]
        channels = [c.channel() for c in connections]
        while not self.is_over.is_set():
            for channel in channels:
                asked = time.monotonic()
                channel.basic_qos()
                self.worst.value = max(self.worst.value, time.monotonic() - asked)
            self.round.set()
        for c in connections:
            c.close()

    def end(self):
        self.is_over.set()
        self.process.join()


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
        others = self.others = Others(self.node)
        others.start()
        try:
            self.rounds(1)
            deed()
            self.rounds(2)  # who was asked during the deed has answered
        finally:
            others.end()
        print(f"{self.id()}: nobody waited longer than {others.worst.value * 1000:.0f} ms", file=sys.stderr)
        self.assertLess(others.worst.value, ROUND_TRIP_MAX_S)

    def rounds(self, count):
        for _ in range(count):
            self.others.round.clear()
            self.assertTrue(self.others.round.wait(DEADLINE_S), "the others are not answered")

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

        def with_policy(name):
            control.send("list_queues", vhost="/", columns=["name", "policy"])
            return sum(row[1] == name for row in control.rows())

        def change(pattern, most):
            control.ask("set_policy", vhost="/", name="p", pattern=pattern, definition=json.dumps({"max-length": most}))

        def set_and_clear():
            for pattern in ("^a", "(a+)+[bc]", "a*a*[bc]", "^(a|a)*$") * 5:
                change(pattern, 5)
                self.rounds(3)  # part of the queues know of it
                control.ask("clear_policy", vhost="/", name="p")
            for most in (6, 7):  # all of them
                change("^a", most)
                while with_policy("p") < QUEUES:
                    pass
            control.ask("clear_policy", vhost="/", name="p")
            while with_policy("p") > 0:
                pass

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
