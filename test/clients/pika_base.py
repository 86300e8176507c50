"""What the pika suites share: blocking connections that close themselves, and collecting deliveries."""
import pika

from harness import HOST, ClientTest


class PikaTest(ClientTest):
    def parameters(self, port=None, **options):
        options.setdefault('heartbeat', 30)
        return pika.ConnectionParameters(HOST, port or self.port, **options)

    def connect(self, port=None, **options):
        connection = pika.BlockingConnection(self.parameters(port, **options))
        self.addCleanup(self.disconnect, connection, is_strict=port is None)
        return connection

    def disconnect(self, connection, is_strict):
        try:
            if connection.is_open:
                connection.close()
        except pika.exceptions.AMQPConnectionError:
            if is_strict:  # a broker of the test's own may be gone by now
                raise

    def channel(self, **options):
        """A channel on a connection of its own."""
        return self.connect(**options).channel()

    def queue(self, channel, **options):
        """An exclusive queue: it goes with the connection."""
        options.setdefault('exclusive', True)
        return channel.queue_declare(options.pop('queue', ''), **options).method.queue

    def shared_queue(self, channel, **options):
        """A queue that several connections may use; deleted at the end of the test."""
        name = self.queue(channel, queue=self.name(), exclusive=False, **options)
        self.addCleanup(lambda: self.channel().queue_delete(name))
        return name

    def exchange(self, channel, kind, **options):
        name = self.name(kind)
        channel.exchange_declare(name, kind, auto_delete=False, **options)
        self.addCleanup(lambda: self.channel().exchange_delete(name))
        return name

    def consume(self, channel, queue, auto_ack=False, **options):
        """Starts a consumer. The list that is returned grows by a (method, properties, body) for each delivery."""
        got = []
        tag = channel.basic_consume(queue, lambda ch, *delivery: got.append(delivery), auto_ack=auto_ack, **options)
        return got, tag

    def wait_until(self, connection, condition, what, **options):
        self.wait_for(lambda left: connection.process_data_events(left), condition, what, **options)

    def wait_count(self, channel, got, count):
        try:
            self.wait_until(channel.connection, lambda: len(got) >= count, f'{count} deliveries')
        except AssertionError as e:
            raise AssertionError(f'{e}; came: {len(got)}') from None
        return got[:count]

    def get(self, channel, queue, auto_ack=True):
        """basic.get that must find a message."""
        method, properties, body = channel.basic_get(queue, auto_ack=auto_ack)
        self.assertIsNotNone(method, f'{queue} is empty')
        return method, properties, body

    def get_all(self, channel, queue):
        """The bodies of all messages that are ready now."""
        bodies = []
        while True:
            method, _, body = channel.basic_get(queue, auto_ack=True)
            if method is None:
                return bodies
            bodies.append(body)

    def assert_channel_error(self, channel, code, text, act):
        """act() closes the channel with this error, and the connection stays usable."""
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as caught:
            act()
        self.assertEqual(caught.exception.reply_code, code)
        self.assertIn(text, caught.exception.reply_text)
        self.assertTrue(channel.is_closed)
        other = channel.connection.channel()
        self.queue(other)
        other.close()


def bodies(deliveries):
    return [body for _, _, body in deliveries]


def numbered(count, prefix='m'):
    return [f'{prefix}{i}'.encode() for i in range(count)]
