"""What a pika user sees of the broker's own life: restarts, and memory running low. Each test has its own broker."""
import threading

import pika

from pika_base import PikaTest, bodies, numbered

MIB = 1 << 20


class Restart(PikaTest):
    def test_client_is_told_and_comes_back(self):
        broker = self.own_broker()
        channel = self.channel(port=broker.port)
        self.consume(channel, self.queue(channel))
        self.assertEqual(broker.stop(), 0)
        with self.assertRaises(pika.exceptions.ConnectionClosedByBroker) as caught:
            self.wait_until(channel.connection, lambda: channel.connection.is_closed, 'the end of the connection')
        self.assertEqual(caught.exception.reply_code, 320)
        self.assertIn('CONNECTION_FORCED', caught.exception.reply_text)
        with self.assertRaises(pika.exceptions.AMQPConnectionError):
            self.connect(port=broker.port)

        broker.start()
        channel = self.channel(port=broker.port, connection_attempts=20, retry_delay=0.1)
        queue = self.queue(channel)
        got, _ = self.consume(channel, queue)
        channel.basic_publish('', queue, b'back')
        self.wait_count(channel, got, 1)

    def test_killed_broker_starts_again_on_the_same_port(self):
        broker = self.own_broker()
        channel = self.channel(port=broker.port)
        broker.kill()
        with self.assertRaises(pika.exceptions.AMQPConnectionError):
            self.wait_until(channel.connection, lambda: channel.connection.is_closed, 'the end of the connection')
        broker.start()
        self.queue(self.channel(port=broker.port))


class Publisher(threading.Thread):
    """Publishes until it learns that it is blocked; once more when it no longer is. A thread, because pika's publish
    does not return while the broker does not read."""

    def __init__(self, parameters, queue):
        super().__init__(daemon=True)
        self.parameters, self.queue = parameters, queue
        self.events = []
        self.sent = 0

    def run(self):
        with pika.BlockingConnection(self.parameters) as connection:
            connection.add_on_connection_blocked_callback(lambda *_: self.events.append('blocked'))
            connection.add_on_connection_unblocked_callback(lambda *_: self.events.append('unblocked'))
            channel = connection.channel()
            while not self.events and self.sent < 1000:
                self.publish(channel)
                connection.process_data_events()
            while 'unblocked' not in self.events:
                connection.process_data_events(None)
            self.publish(channel)

    def publish(self, channel):
        channel.basic_publish('', self.queue, b'%08d' % self.sent + b'x' * MIB)
        self.sent += 1


class Memory(PikaTest):
    def test_publisher_is_blocked_and_consumers_go_on(self):
        broker = self.own_broker('vm_memory_high_watermark.absolute = 1\n')
        publisher, other = self.channel(port=broker.port), self.channel(port=broker.port)
        reasons = []
        publisher.connection.add_on_connection_blocked_callback(lambda _, frame: reasons.append(frame.method.reason))
        self.queue(publisher)
        publisher.basic_publish('', self.name('nowhere'), b'x')
        self.wait_until(publisher.connection, lambda: reasons, 'connection.blocked')
        self.assertEqual(reasons, ['low on memory'])
        self.consume(other, self.queue(other))
        # A blocked publisher is not read, its close neither: the broker ends it.
        other.connection.close()
        broker.stop()

    def test_blocked_connection_timeout_ends_the_connection(self):
        broker = self.own_broker('vm_memory_high_watermark.absolute = 1\n')
        publisher = self.channel(port=broker.port, blocked_connection_timeout=1)
        publisher.basic_publish('', self.name('nowhere'), b'x')
        with self.assertRaises(pika.exceptions.ConnectionBlockedTimeout):
            self.wait_until(publisher.connection, lambda: False, 'the time-out')

    def test_publisher_goes_on_when_memory_is_free_again(self):
        # What the address sanitizer keeps of freed memory counts as used.
        broker = self.own_broker('vm_memory_high_watermark.absolute = 256MiB\n'
                                 'vm_memory_high_watermark_paging_ratio = 1\n', ASAN_OPTIONS='quarantine_size_mb=8')
        consumer = self.channel(port=broker.port)
        queue = self.queue(consumer, queue=self.name(), exclusive=False)
        publisher = Publisher(self.parameters(broker.port), queue)
        publisher.start()
        broker.wait_line('memory is short')
        got = []
        def take(channel, method, properties, body):
            got.append(int(body[:8]))
            channel.basic_ack(method.delivery_tag)
        consumer.basic_qos(prefetch_count=10)
        consumer.basic_consume(queue, take)
        self.wait_for(lambda _: consumer.connection.process_data_events(0.05),
                      lambda: not publisher.is_alive() and len(got) >= publisher.sent, 'all messages', 40)
        self.assertEqual(publisher.events, ['blocked', 'unblocked'], f'after {publisher.sent} MiB')
        self.assertEqual(got, list(range(publisher.sent)))


class Redelivery(PikaTest):
    def test_many_clients_leave_at_once(self):
        """Every message held by closing connections comes back, once, in order."""
        channel = self.channel()
        queue = self.shared_queue(channel)
        channel.confirm_delivery()
        for body in numbered(60):
            channel.basic_publish('', queue, body)
        holders = []
        for _ in range(6):
            holder = self.channel()
            holder.basic_qos(prefetch_count=10)
            got, _ = self.consume(holder, queue)
            self.wait_count(holder, got, 10)
            holders.append(holder)
        for holder in holders:
            holder.connection.close()
        got, _ = self.consume(channel, queue)
        self.wait_count(channel, got, 60)
        self.assertEqual(bodies(got), numbered(60))
