"""Publishing: confirms, returns, transactions, and what a message carries from end to end."""
import datetime
import decimal

import pika
from pika.adapters.asyncio_connection import AsyncioConnection

from harness import WAIT_SECONDS
from pika_base import PikaTest, numbered


class Confirm(PikaTest):
    def test_unroutable_mandatory_message_raises_with_its_content(self):
        channel = self.channel()
        channel.confirm_delivery()
        with self.assertRaises(pika.exceptions.UnroutableError) as caught:
            channel.basic_publish('amq.direct', self.name('nowhere'), b'lost', pika.BasicProperties(app_id='a'),
                                  mandatory=True)
        message, = caught.exception.messages
        self.assertEqual((message.method.reply_code, message.method.reply_text), (312, 'NO_ROUTE'))
        self.assertEqual((message.body, message.properties.app_id), (b'lost', 'a'))

    def test_confirmed_message_is_there_for_others(self):
        publisher, reader = self.channel(), self.channel()
        queue = self.shared_queue(publisher)
        publisher.confirm_delivery()
        for body in numbered(50):
            publisher.basic_publish('', queue, body, mandatory=True)
            self.assertEqual(self.get(reader, queue)[2], body)

    def test_unroutable_message_without_mandatory_is_confirmed(self):
        channel = self.channel()
        channel.confirm_delivery()
        channel.basic_publish('amq.direct', self.name('nowhere'), b'lost')
        self.assertTrue(channel.is_open)

    def test_returned_without_confirms(self):
        channel = self.channel()
        returned = []
        channel.add_on_return_callback(lambda ch, method, properties, body: returned.append((method.routing_key, body)))
        keys = [self.name(f'nowhere{i}') for i in range(3)]
        for key in keys:
            channel.basic_publish('', key, key.encode(), mandatory=True)
        self.wait_until(channel.connection, lambda: len(returned) == 3, '3 returns')
        self.assertEqual(returned, [(key, key.encode()) for key in keys])


class Asynchronous(PikaTest):
    """pika's callback adapters: one script for SelectConnection and AsyncioConnection."""
    def run_script(self, adapter, script):
        """Runs script(channel, done) on an open channel until done() is called."""
        problems, finished = [], []
        def on_open(connection):
            def on_channel(channel):
                channel.add_on_close_callback(lambda ch, reason: finished or problems.append(reason))
                script(channel, done)
            connection.channel(on_open_callback=on_channel)
        def done():
            finished.append(True)
            connection.close()
        def on_closed(connection, reason):
            if not finished:
                problems.append(reason)
            connection.ioloop.stop()
        def expired():
            problems.append(f'not done within {WAIT_SECONDS} s')
            connection.ioloop.stop()
        connection = adapter(self.parameters(), on_open_callback=on_open, on_close_callback=on_closed,
                             on_open_error_callback=on_closed)
        connection.ioloop.call_later(WAIT_SECONDS, expired)
        if adapter is AsyncioConnection:
            connection.ioloop.run_forever()
        else:
            connection.ioloop.start()
        self.assertEqual(problems, [])
        self.assertTrue(finished)

    def publish_and_consume(self, adapter, count=2000):
        queue = self.name()
        open_tags, confirmed, seen = set(), [], []
        def script(channel, done):
            def finish():
                if len(seen) == count and not open_tags:
                    done()
            def on_confirm(frame):
                self.assertEqual(frame.method.NAME, 'Basic.Ack')
                tag = frame.method.delivery_tag
                settled = {t for t in open_tags if t <= tag} if frame.method.multiple else {tag} & open_tags
                self.assertTrue(settled, f'{tag} is confirmed twice')
                confirmed.extend(settled)
                open_tags.difference_update(settled)
                finish()
            def on_delivery(channel, method, properties, body):
                seen.append(body)
                channel.basic_ack(method.delivery_tag)
                finish()
            def on_declared(_):
                channel.basic_qos(prefetch_count=50)
                channel.basic_consume(queue, on_delivery)
                channel.confirm_delivery(on_confirm, callback=on_selected)
            def on_selected(_):
                for tag, body in enumerate(numbered(count), 1):
                    open_tags.add(tag)
                    channel.basic_publish('', queue, body)
            channel.queue_declare(queue, exclusive=True, callback=on_declared)
        self.run_script(adapter, script)
        self.assertEqual(seen, numbered(count))
        self.assertEqual(sorted(confirmed), list(range(1, count + 1)))

    def test_select_connection_confirms_and_consumes(self):
        self.publish_and_consume(pika.SelectConnection)

    def test_asyncio_connection_confirms_and_consumes(self):
        self.publish_and_consume(AsyncioConnection, 500)

    def test_return_comes_before_the_confirm(self):
        events = []
        def script(channel, done):
            def on_confirm(frame):
                events.append((frame.method.NAME, frame.method.delivery_tag))
                if len(events) == 2:
                    done()
            def on_selected(_):
                channel.basic_publish('', self.name('nowhere'), b'x', mandatory=True)
            channel.add_on_return_callback(lambda ch, method, properties, body: events.append(('Basic.Return', body)))
            channel.confirm_delivery(on_confirm, callback=on_selected)
        self.run_script(pika.SelectConnection, script)
        self.assertEqual(events, [('Basic.Return', b'x'), ('Basic.Ack', 1)])


class Transaction(PikaTest):
    def test_commit_publishes(self):
        channel, reader = self.channel(), self.channel()
        queue = self.shared_queue(channel)
        channel.tx_select()
        for body in numbered(3):
            channel.basic_publish('', queue, body)
        # An answer on the same channel: the publishes before it have been seen.
        self.assertEqual(channel.queue_declare(queue, passive=True).method.message_count, 0)
        self.assertEqual(self.get_all(reader, queue), [])
        channel.tx_commit()
        self.assertEqual(self.get_all(reader, queue), numbered(3))

    def test_rollback_forgets_publishes_and_acknowledgements(self):
        channel = self.channel()
        queue = self.queue(channel)
        channel.basic_publish('', queue, b'kept')
        channel.tx_select()
        method, _, _ = self.get(channel, queue, auto_ack=False)
        channel.basic_ack(method.delivery_tag)
        channel.basic_publish('', queue, b'dropped')
        channel.tx_rollback()
        channel.basic_recover(requeue=True)
        self.assertEqual(self.get(channel, queue, auto_ack=False)[2], b'kept')
        self.assertIsNone(channel.basic_get(queue)[0])

    def test_tx_and_confirms_exclude_each_other(self):
        channel = self.channel()
        channel.confirm_delivery()
        self.assert_channel_error(channel, 406, 'cannot switch from confirm to tx mode', channel.tx_select)


class Content(PikaTest):
    def round_trip(self, properties, body=b'body'):
        channel = self.channel()
        queue = self.queue(channel)
        channel.basic_publish('', queue, body, properties)
        _, found, found_body = self.get(channel, queue)
        return found, found_body

    def test_all_properties_arrive_as_sent(self):
        sent = dict(content_type='text/plain; charset=utf-8', content_encoding='gzip', delivery_mode=2, priority=7,
                    correlation_id='c-1', reply_to='answers', expiration='600000', message_id='id-ü', timestamp=1700000000,
                    type='order', user_id='guest', app_id='shop', cluster_id='c', headers={'a': 1})
        found, _ = self.round_trip(pika.BasicProperties(**sent))
        self.assertEqual({key: getattr(found, key) for key in sent}, sent)

    def test_absent_properties_stay_absent(self):
        found, _ = self.round_trip(pika.BasicProperties())
        self.assertEqual(found, pika.BasicProperties())

    def test_headers_of_every_type_arrive_as_sent(self):
        headers = {
            'text': 'Grüße, 世界 🐇', 'empty': '', 'yes': True, 'no': False, 'small': -5, 'large': 1 << 40,
            'decimal': decimal.Decimal('12.345'), 'time': datetime.datetime(2024, 2, 29, 12, 30, 15), 'void': None,
            'list': [1, 'two', [3, None], {'four': 4}], 'table': {'inner': {'inmost': ['x', False]}, 'empty': {}},
            'ключ': 'schlüssel', 'k' * 120: 'v' * 70000,
        }
        found, _ = self.round_trip(pika.BasicProperties(headers=headers))
        self.assertEqual(found.headers, headers)

    def test_bodies_of_any_bytes_arrive_as_sent(self):
        channel = self.channel()
        queue = self.queue(channel)
        sent = [b'', b'\0', bytes(range(256)), 'Grüße 世界 🐇'.encode(), b'\xce' * 5000, b'AMQP\0\0\x09\x01',
                b'x' * 131064, b'y' * 131065]
        for body in sent:
            channel.basic_publish('', queue, body)
        self.assertEqual(self.get_all(channel, queue), sent)

    def test_names_beyond_ascii(self):
        channel = self.channel()
        queue = self.queue(channel, queue=self.name('очередь-🐇'))
        channel.queue_bind(queue, 'amq.topic', 'größe.世界')
        channel.basic_publish('amq.topic', 'größe.世界', b'x')
        method, _, _ = self.get(channel, queue)
        self.assertEqual(method.routing_key, 'größe.世界')

    def test_user_id_of_somebody_else_closes_the_channel(self):
        channel = self.channel()
        queue = self.queue(channel)
        channel.basic_publish('', queue, b'x', pika.BasicProperties(user_id='root'))
        self.assert_channel_error(channel, 406, "user_id property set to 'root' but authenticated user was 'guest'",
                                  lambda: channel.basic_get(queue))

    def test_expiration_that_is_no_number_closes_the_channel(self):
        channel = self.channel()
        queue = self.queue(channel)
        channel.basic_publish('', queue, b'x', pika.BasicProperties(expiration='soon'))
        self.assert_channel_error(channel, 406, "invalid expiration 'soon'", lambda: channel.basic_get(queue))
