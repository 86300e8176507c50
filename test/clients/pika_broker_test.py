"""What a pika user sees of the broker's own life: restarts, and memory running low. Each test has its own broker."""
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
        broker = self.own_broker('vm_memory_high_watermark.absolute = 256MiB\n'
                                 'vm_memory_high_watermark_paging_ratio = 0.99\n')
        publisher, consumer = self.channel(port=broker.port), self.channel(port=broker.port)
        queue = self.queue(consumer, queue=self.name(), exclusive=False)
        events = []
        publisher.connection.add_on_connection_blocked_callback(lambda *_: events.append('blocked'))
        publisher.connection.add_on_connection_unblocked_callback(lambda *_: events.append('unblocked'))
        sent = 0
        while not events and sent < 1000:
            publisher.basic_publish('', queue, b'%08d' % sent + b'x' * MIB)
            sent += 1
            publisher.connection.process_data_events()
        self.assertEqual(events, ['blocked'], f'after {sent} MiB')
        got = []
        def take(channel, method, properties, body):
            got.append(int(body[:8]))
            channel.basic_ack(method.delivery_tag)
        consumer.basic_qos(prefetch_count=10)
        consumer.basic_consume(queue, take)
        def step(_):
            consumer.connection.process_data_events(0.05)
            publisher.connection.process_data_events()
        self.wait_for(step, lambda: 'unblocked' in events and len(got) == sent, f'{sent} messages and unblocked', 40)
        self.assertEqual(got, list(range(sent)))
        publisher.basic_publish('', queue, b'%08d' % sent)
        self.wait_for(step, lambda: len(got) == sent + 1, 'the message after')


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
