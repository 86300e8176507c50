#!/usr/bin/env python3
"""Policies as an operator and clients see them: every key that does something here acts on what is there already, at once, and no more when
it is cleared; who wins where arguments, policies and operator policies say different things.

policy_test.py LEVERET
"""
import json
import os
import pathlib
import tempfile
import time
import unittest

from control_test import Control, Failure, Node, pika

DEADLINE_S = 20


class PolicyTest(unittest.TestCase):
    """One node for all; every test has names of its own, and its policies are cleared behind it."""

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.TemporaryDirectory(prefix="leveret-policy.")
        cls.data = os.path.join(cls.dir.name, "data")
        cls.start()

    @classmethod
    def start(cls):
        cls.node = Node(cls.data, "consumer_timeout = 3200").ready()
        cls.control = Control.local(cls.data)

    @classmethod
    def tearDownClass(cls):
        cls.control.close()
        cls.node.end()
        cls.dir.cleanup()

    def setUp(self):
        self.connection = self.node.connect()
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.policies = set()
        self.q = self.id().rsplit(".", 1)[1]

    def tearDown(self):
        for kind, name in list(self.policies):
            self.clear(name, kind)
        self.connection.close()

    def set(self, definition, pattern=None, name=None, kind="policy", priority=0, apply_to="all", vhost="/"):
        name = name or self.q
        self.control.ask(f"set_{kind}", vhost=vhost, name=name, pattern=self.q if pattern is None else pattern,
                         definition=json.dumps(definition), priority=priority, apply_to=apply_to)
        if vhost == "/":
            self.policies.add((kind, name))
        self.pass_turn()

    def pass_turn(self):
        """A round trip: what was told to the queue's shard before has arrived there."""
        if self.connection.is_open:
            self.channel.basic_qos()

    def clear(self, name=None, kind="policy"):
        self.policies.discard((kind, name or self.q))
        self.control.ask(f"clear_{kind}", vhost="/", name=name or self.q)
        self.pass_turn()

    def declare(self, name=None, **arguments):
        arguments = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
        self.channel.queue_declare(name or self.q, durable=True, arguments=arguments)

    def publish(self, body=b"m", key=None, exchange="", count=1, channel=None):
        """False: refused."""
        try:
            for _ in range(count):
                (channel or self.channel).basic_publish(exchange, key or self.q, body, mandatory=True)
        except (pika.exceptions.NackError, pika.exceptions.UnroutableError):
            return False
        return True

    def count(self, name=None):
        return self.channel.queue_declare(name or self.q, passive=True).method.message_count

    def until(self, condition, what):
        end = time.monotonic() + DEADLINE_S
        while not condition():
            self.assertLess(time.monotonic(), end, what)
            self.connection.process_data_events(0.005)

    def row(self, *columns, name=None, command="list_queues"):
        self.control.send(command, vhost="/", columns=["name", *columns])
        return {row[0]: row[1:] for row in self.control.rows()}[name or self.q]

    # ---- the keys ----

    def test_message_ttl(self):
        self.declare()
        self.set({"message-ttl": 0})
        self.publish(b"expires")
        self.assertEqual(self.count(), 0)
        self.clear()
        self.publish(b"stays")
        self.assertEqual(self.count(), 1)

    def test_expires(self):
        spared = self.q + ".spared"
        self.declare(spared)
        self.set({"expires": 400})
        self.clear()
        self.declare()
        self.set({"expires": 400}, self.q + "$")
        self.until(lambda: not self.exists(self.q), "the queue is still there")
        self.assertTrue(self.exists(spared))

    def exists(self, name):
        self.control.send("list_queues", vhost="/", columns=["name"])
        return [name] in self.control.rows()

    def test_max_length(self):
        self.declare()
        self.publish(count=5)
        self.set({"max-length": 2})
        self.until(lambda: self.count() == 2, "the limit does not act")
        self.publish(count=3)
        self.assertEqual(self.count(), 2)
        self.clear()
        self.publish(count=3)
        self.assertEqual(self.count(), 5)

    def test_max_length_bytes(self):
        self.declare()
        self.publish(b"12345", count=4)
        self.set({"max-length-bytes": 12})
        self.until(lambda: self.count() == 2, "the limit does not act")
        self.clear()
        self.publish(b"12345", count=3)
        self.assertEqual(self.count(), 5)

    def test_overflow(self):
        self.declare()
        self.set({"max-length": 1, "overflow": "reject-publish"})
        self.assertTrue(self.publish(b"first"))
        self.assertFalse(self.publish(b"refused"))
        self.set({"max-length": 1})
        self.assertTrue(self.publish(b"second"))
        self.assertEqual(self.channel.basic_get(self.q, auto_ack=True)[2], b"second")

    def test_dead_letters(self):
        dead = self.q + ".dead"
        self.declare(dead)
        self.declare()
        self.set({"dead-letter-exchange": "", "dead-letter-routing-key": dead}, self.q + "$")
        self.publish(b"dead")
        self.reject()
        self.until(lambda: self.count(dead) == 1, "no dead letter")
        properties = self.channel.basic_get(dead, auto_ack=True)[1]
        self.assertEqual(properties.headers["x-death"][0]["reason"], "rejected")
        self.clear()
        self.publish(b"gone")
        self.reject()
        self.publish(b"behind", key=dead)
        self.assertEqual(self.count(dead), 1)

    def reject(self, requeue=False):
        method = self.channel.basic_get(self.q)[0]
        self.channel.basic_reject(method.delivery_tag, requeue)
        return method

    def test_alternate_exchange(self):
        self.declare()
        self.channel.exchange_declare(self.q, "direct")
        self.set({"alternate-exchange": "amq.fanout"})
        self.channel.queue_bind(self.q, "amq.fanout")
        self.assertTrue(self.publish(exchange=self.q, key="nobody"))
        self.assertEqual(self.count(), 1)
        self.clear()
        self.assertFalse(self.publish(exchange=self.q, key="nobody"))
        self.channel.queue_unbind(self.q, "amq.fanout")

    def test_delivery_limit(self):
        self.declare(queue_type="quorum")
        self.set({"delivery-limit": 1})
        self.publish()
        self.reject(True)
        self.until(lambda: self.count() == 1, "it was to come back once")
        self.reject(True)
        self.publish(b"next")
        self.until(lambda: self.count() == 1, "it was not to come back twice")
        self.clear()
        for _ in range(3):
            self.until(lambda: self.count() == 1, "it was to come back")
            self.reject(True)

    def test_consumer_timeout(self):
        self.declare()
        self.publish()
        self.set({"consumer-timeout": 50})
        other = self.connection.channel()
        other.basic_consume(self.q, lambda *_: None)
        self.until(lambda: other.is_closed, "the channel was not closed")
        self.assertEqual(self.row("consumers"), [0])

    # ---- who wins ----

    def test_argument_and_policy_of_a_classic_queue(self):
        self.declare(max_length=3, overflow="drop-head", dead_letter_exchange="amq.direct", message_ttl=3600000)
        self.set({"max-length": 2, "overflow": "reject-publish", "message-ttl": 7200000})
        self.assertTrue(self.publish(count=4), "the argument's overflow counts")
        self.assertEqual(self.count(), 2, "the lower limit counts")
        self.set({"max-length": 20})
        self.publish(count=4)
        self.assertEqual(self.count(), 3, "the lower limit counts")

    def test_policy_goes_before_the_overflow_argument_of_a_quorum_queue(self):
        self.declare(queue_type="quorum", max_length=1, overflow="drop-head")
        self.publish()
        self.set({"overflow": "reject-publish"})
        self.until(lambda: not self.publish(b"refused"), "the argument's overflow counts still")

    def test_policy_goes_before_the_expires_argument_of_a_quorum_queue(self):
        self.set({"expires": 3600000})
        self.declare(queue_type="quorum", expires=100)
        other = "later." + self.q[::-1]
        self.declare(other, expires=400)
        self.until(lambda: not self.exists(other), "the other queue is still there")
        self.assertTrue(self.exists(self.q))

    def test_lower_of_argument_and_policy_counts_for_the_consumer_timeout(self):
        for arguments, timeout in (({"consumer_timeout": 3600000}, 50), ({"consumer_timeout": 50}, 3600000)):
            self.declare(**arguments)
            self.publish()
            self.set({"consumer-timeout": timeout})
            other = self.connection.channel()
            other.basic_consume(self.q, lambda *_: None)
            self.until(lambda: other.is_closed, "the channel was not closed")  # pylint: disable=cell-var-from-loop
            self.channel.queue_delete(self.q)

    def test_negative_delivery_limit_of_an_operator_is_none(self):
        self.declare(queue_type="quorum")
        self.set({"delivery-limit": 1}, name="mine")
        self.set({"delivery-limit": -1}, name="theirs", kind="operator_policy")
        self.assertEqual(self.row("effective_policy_definition"), [{"delivery-limit": 1}])

    def test_operators_value_wins_where_there_is_no_lower_one(self):
        self.declare()
        self.set({"overflow": "drop-head", "queue-version": 1, "queue-master-locator": "random", "ha-mode": "all"}, name="mine")
        theirs = {"overflow": "reject-publish", "queue-version": 2, "queue-master-locator": "min-masters", "ha-mode": "exactly", "ha-params": 1}
        self.set(theirs, name="theirs", kind="operator_policy")
        self.assertEqual(self.row("effective_policy_definition"), [theirs])

    def test_dead_letter_argument_goes_before_the_policy(self):
        dead = self.q + ".dead"
        self.declare(dead)
        self.declare(dead_letter_exchange="", dead_letter_routing_key=dead)
        self.set({"dead-letter-exchange": "amq.topic", "dead-letter-routing-key": "nobody"}, self.q + "$")
        self.publish()
        self.reject()
        self.until(lambda: self.count(dead) == 1, "the policy's exchange got it")

    def test_alternate_exchange_argument_goes_before_the_policy(self):
        self.declare()
        self.channel.exchange_declare(self.q, "direct", arguments={"alternate-exchange": "amq.fanout"})
        self.channel.queue_bind(self.q, "amq.fanout")
        self.set({"alternate-exchange": "amq.topic"}, apply_to="exchanges")
        self.assertTrue(self.publish(exchange=self.q, key="nobody"))
        self.channel.queue_unbind(self.q, "amq.fanout")

    def test_operator_policy_is_merged(self):
        self.declare()
        self.set({"max-length": 5, "message-ttl": 3600000, "overflow": "drop-head"}, name="mine")
        self.set({"max-length": 9, "message-ttl": 60000, "overflow": "reject-publish", "expires": 3600000}, name="theirs",
                 kind="operator_policy")
        self.assertEqual(self.row("policy", "operator_policy", "effective_policy_definition"),
                         ["mine", "theirs", {"max-length": 5, "message-ttl": 60000, "overflow": "reject-publish", "expires": 3600000}])
        self.assertTrue(self.publish(count=5))
        self.assertFalse(self.publish())
        self.clear("theirs", "operator_policy")
        self.assertTrue(self.publish(count=5))
        self.assertEqual(self.row("policy", "operator_policy"), ["mine", ""])

    def test_operator_policy_knows_fewer_keys(self):
        with self.assertRaises(Failure) as refused:
            self.set({"max-length": 1, "dead-letter-exchange": "x"}, kind="operator_policy")
        self.assertEqual(refused.exception.text, "Validation failed\n\n"
                         '[{<<"dead-letter-exchange">>,<<"x">>}] are not recognised policy settings\n')

    # ---- what definitions may say ----

    def judge(self, definition, kind="policy"):
        """What is said of it; None: it is taken."""
        try:
            self.set(definition, "^nothing$", kind=kind)
        except Failure as refused:
            return refused.text
        self.clear(kind=kind)
        return None

    def test_definitions_are_judged_as_by_rabbitmq(self):
        """But for what later versions take."""
        later = {"policy": [{"delivery-limit": -1}],
                 "operator_policy": [{"overflow": "reject-publish-dlx"}, {"queue-version": 2}, {"queue-master-locator": "random"}, {"ha-mode": "all"},
                                     {"ha-mode": "exactly", "ha-params": 2, "ha-sync-mode": "automatic"}]}
        recorded = json.loads(pathlib.Path(__file__).with_name("rabbitmq").joinpath("policies.json").read_text(encoding="utf-8"))
        for kind in ("policy", "operator_policy"):
            for definition, expected in recorded[kind]:
                with self.subTest(kind=kind, definition=definition):
                    self.assertEqual(self.judge(definition, kind), None if definition in later[kind] else expected)

    def test_definitions_of_later_versions(self):
        for good in ({"consumer-timeout": 0}, {"target-group-size": 3}, {"stream-filter-size-bytes": 16}, {"stream-filter-size-bytes": 255},
                     {"queue-leader-locator": "client-local"}, {"queue-leader-locator": "least-leaders"}):
            self.assertIsNone(self.judge(good), good)
        for bad, what in (({"consumer-timeout": -1}, "consumer timeout"), ({"target-group-size": -1}, "target group size"),
                          ({"stream-filter-size-bytes": 15}, "filter size"), ({"stream-filter-size-bytes": 256}, "filter size"),
                          ({"max-age": "-5D"}, "max age"), ({"max-age": "D"}, "max age"), ({"ha-mode": 1}, "ha-mode value")):
            self.assertRegex(self.judge(bad) or "taken", f"^Validation failed\n\n.* is not a valid {what}\n$")
        self.assertIsNone(self.judge({"target-group-size": 3}, "operator_policy"))
        for key in ("consumer-timeout", "stream-filter-size-bytes"):
            self.assertIn("are not recognised policy settings", self.judge({key: 100}, "operator_policy"))

    # ---- what applies ----

    def test_highest_priority_applies_and_only_one(self):
        self.declare()
        self.set({"max-length": 1}, name="low", priority=-1)
        self.set({"message-ttl": 5000}, name="high", priority=7)
        self.assertEqual(self.row("policy", "effective_policy_definition"), ["high", {"message-ttl": 5000}])
        self.clear("high")
        self.assertEqual(self.row("policy", "effective_policy_definition"), ["low", {"max-length": 1}])

    def test_pattern_is_found_anywhere_in_the_name(self):
        self.declare()
        self.set({"max-length": 1}, self.q[3:-2])
        self.assertEqual(self.row("policy"), [self.q])
        self.set({"max-length": 1}, "^" + self.q[3:-2])
        self.assertEqual(self.row("policy"), [""])
        self.set({"max-length": 1}, "(?i)^" + self.q.upper() + "$")
        self.assertEqual(self.row("policy"), [self.q])

    def test_whom_it_is_for(self):
        quorum = self.q + ".quorum"
        self.declare()
        self.declare(quorum, queue_type="quorum")
        self.channel.exchange_declare(self.q, "direct")
        for apply_to, expected in (("all", (1, 1, 1)), ("queues", (1, 1, 0)), ("exchanges", (0, 0, 1)), ("classic_queues", (1, 0, 0)),
                                   ("quorum_queues", (0, 1, 0)), ("streams", (0, 0, 0))):
            self.set({"max-length": 9, "alternate-exchange": "amq.fanout"}, apply_to=apply_to)
            found = (self.row("policy"), self.row("policy", name=quorum), self.row("policy", command="list_exchanges"))
            self.assertEqual(found, tuple([self.q] if is_for else [""] for is_for in expected), apply_to)

    def test_other_vhosts_policies_do_not_apply(self):
        self.declare()
        self.control.ask("add_vhost", name=self.q)
        self.set({"max-length": 1}, vhost=self.q)
        self.assertEqual(self.row("policy"), [""])
        self.control.ask("delete_vhost", name=self.q)

    def test_what_is_declared_later_has_its_policy_at_once(self):
        self.set({"max-length": 1, "overflow": "reject-publish"})
        self.declare()
        self.assertTrue(self.publish())
        self.assertFalse(self.publish())

    def test_mirroring_is_stored_and_shown(self):
        self.declare()
        mirrors = {"ha-mode": "exactly", "ha-params": 2, "ha-sync-mode": "automatic"}
        self.set(mirrors)
        self.assertEqual(self.row("policy", "effective_policy_definition"), [self.q, mirrors])

    def test_restart_keeps_them(self):
        self.declare()
        self.set({"max-length": 2})
        self.set({"max-length": 1}, kind="operator_policy")
        self.connection.close()
        self.control.close()
        self.node.end()
        type(self).start()
        self.connection = self.node.connect()
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.publish(count=3)
        self.assertEqual(self.count(), 1)
        self.assertEqual(self.row("policy", "operator_policy"), [self.q, self.q])


if __name__ == "__main__":
    unittest.main()
