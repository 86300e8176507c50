"""Connections and channels: logging in, errors, limits, heartbeats, what goes with a connection."""
import pika

from pika_base import PikaTest


class LogIn(PikaTest):
    def test_wrong_password(self):
        with self.assertRaises(pika.exceptions.ProbableAuthenticationError) as caught:
            self.connect(credentials=pika.PlainCredentials('guest', 'wrong'))
        self.assertIn('ACCESS_REFUSED', str(caught.exception))

    def test_unknown_user(self):
        with self.assertRaises(pika.exceptions.ProbableAuthenticationError):
            self.connect(credentials=pika.PlainCredentials('nobody', 'guest'))

    def test_unknown_vhost(self):
        with self.assertRaises(pika.exceptions.ProbableAccessDeniedError) as caught:
            self.connect(virtual_host='nowhere')
        self.assertIn("(530) 'NOT_ALLOWED - vhost nowhere not found'", str(caught.exception))

    def test_url_parameters(self):
        url = f'amqp://guest:guest@127.0.0.1:{self.port}/%2F?heartbeat=30&channel_max=10&frame_max=8192'
        connection = pika.BlockingConnection(pika.URLParameters(url))
        self.addCleanup(connection.close)
        self.queue(connection.channel())

    def test_capabilities_are_seen(self):
        connection = self.connect(client_properties={'connection_name': 'clients test'})
        self.assertTrue(connection.basic_nack_supported)
        self.assertTrue(connection.consumer_cancel_notify_supported)
        self.assertTrue(connection.exchange_exchange_bindings_supported)
        self.assertTrue(connection.publisher_confirms_supported)

    def test_heartbeats_keep_an_idle_connection(self):
        connection = self.connect(heartbeat=1)
        closed = []
        connection.call_later(4, lambda: closed.append(connection.is_closed))
        self.wait_until(connection, lambda: closed, 'four idle seconds')
        self.assertEqual(closed, [False])
        self.assertGreaterEqual(connection._impl._heartbeat_checker._heartbeat_frames_received, 2)
        self.queue(connection.channel())


class ChannelErrors(PikaTest):
    def test_missing_queue_404(self):
        channel, name = self.channel(), self.name('missing')
        self.assert_channel_error(channel, 404, f"no queue '{name}' in vhost '/'",
                                  lambda: channel.queue_declare(name, passive=True))

    def test_missing_exchange_404(self):
        channel, name = self.channel(), self.name('missing')
        channel.basic_publish(name, 'key', b'x')
        self.assert_channel_error(channel, 404, f"no exchange '{name}' in vhost '/'", lambda: self.queue(channel))

    def test_declared_differently_406(self):
        channel = self.channel()
        queue = self.shared_queue(channel, durable=False)
        self.assert_channel_error(channel, 406, "inequivalent arg 'durable'",
                                  lambda: channel.queue_declare(queue, durable=True))

    def test_exclusive_queue_does_not_care_for_durable(self):
        channel = self.channel()
        queue = self.queue(channel, queue=self.name(), durable=False)
        channel.queue_declare(queue, durable=True, exclusive=True)

    def test_exchange_of_other_type_406(self):
        channel = self.channel()
        name = self.exchange(channel, 'direct')
        self.assert_channel_error(channel, 406, "inequivalent arg 'type'",
                                  lambda: channel.exchange_declare(name, 'fanout'))

    def test_exclusive_queue_of_another_connection_405(self):
        owner, other = self.channel(), self.channel()
        queue = self.queue(owner)
        self.assert_channel_error(other, 405, f"cannot obtain exclusive access to locked queue '{queue}'",
                                  lambda: other.queue_declare(queue, passive=True))

    def test_reserved_name_403(self):
        channel = self.channel()
        self.assert_channel_error(channel, 403, 'reserved prefix', lambda: channel.queue_declare('amq.mine'))

    def test_delete_of_queue_in_use_406(self):
        channel, other = self.channel(), self.channel()
        queue = self.shared_queue(channel)
        self.consume(channel, queue)
        self.assert_channel_error(other, 406, 'in use', lambda: other.queue_delete(queue, if_unused=True))

    def test_error_on_one_channel_leaves_the_others(self):
        connection = self.connect()
        good, bad = connection.channel(), connection.channel()
        queue = self.queue(good)
        got, _ = self.consume(good, queue)
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker):
            bad.queue_declare(self.name('missing'), passive=True)
        good.basic_publish('', queue, b'still here')
        self.wait_count(good, got, 1)

    def test_connection_error_is_told(self):
        channel = self.channel()
        queue = self.queue(channel)
        self.consume(channel, queue, consumer_tag='t')
        other = channel.connection.channel()
        # pika checks tags of one channel by itself: go past it.
        channel._impl._consumers.clear()
        channel._consumer_infos.clear()
        with self.assertRaises(pika.exceptions.ConnectionClosedByBroker) as caught:
            self.consume(channel, queue, consumer_tag='t')
        self.assertEqual(caught.exception.reply_code, 530)
        self.assertIn("attempt to reuse consumer tag 't'", caught.exception.reply_text)
        self.assertTrue(other.is_closed)


class Lifetimes(PikaTest):
    def test_exclusive_queue_can_be_declared_anew_after_close(self):
        name = self.name()
        for _ in range(10):
            connection = self.connect()
            channel = connection.channel()
            self.assertEqual(channel.queue_declare(name, exclusive=True).method.message_count, 0)
            channel.basic_publish('', name, b'gone with the connection')
            connection.close()

    def test_auto_delete_queue_goes_with_its_last_consumer(self):
        channel = self.channel()
        queue = self.queue(channel, exclusive=False, auto_delete=True)
        _, tag = self.consume(channel, queue)
        channel.queue_declare(queue, passive=True)
        channel.basic_cancel(tag)
        self.assert_channel_error(channel, 404, 'no queue', lambda: channel.queue_declare(queue, passive=True))

    def test_channel_numbers_are_used_again(self):
        connection = self.connect()
        for _ in range(100):
            channel = connection.channel(channel_number=7)
            self.queue(channel)
            channel.close()

    def test_hundred_channels_work_side_by_side(self):
        connection = self.connect()
        channels = [connection.channel() for _ in range(100)]
        queues = [self.queue(channel) for channel in channels]
        for i, channel in enumerate(channels):
            channel.basic_publish('', queues[(i + 1) % 100], b'%d' % i)
        self.queue(connection.channel())
        for i, queue in enumerate(queues):
            got, _ = self.consume(channels[i], queue, auto_ack=True)
            self.wait_count(channels[i], got, 1)
            self.assertEqual(got[0][2], b'%d' % ((i - 1) % 100))

    def test_fifty_connections_share_a_queue(self):
        boss = self.channel()
        queue = self.shared_queue(boss)
        workers = [self.channel() for _ in range(50)]
        lists = [self.consume(worker, queue, auto_ack=True)[0] for worker in workers]
        for i in range(100):
            boss.basic_publish('', queue, b'%d' % i)
        for worker, got in zip(workers, lists):
            self.wait_count(worker, got, 2)
        self.assertEqual(sorted(int(body) for got in lists for _, _, body in got), list(range(100)))
