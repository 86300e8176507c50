"""Exchanges and requests with answers, as a pika user meets them."""
import pika

from pika_base import PikaTest, bodies


class Routing(PikaTest):
    def bound(self, channel, exchange, *keys, **options):
        queue = self.queue(channel)
        for key in keys:
            channel.queue_bind(queue, exchange, key, **options)
        return queue

    def test_fanout_gives_each_subscriber_a_copy(self):
        publisher = self.channel()
        news = self.exchange(publisher, 'fanout')
        subscribers = []
        for _ in range(3):
            channel = self.channel()
            subscribers.append((channel, self.consume(channel, self.bound(channel, news, ''), auto_ack=True)[0]))
        for i in range(5):
            publisher.basic_publish(news, 'ignored', b'news %d' % i)
        for channel, got in subscribers:
            self.wait_count(channel, got, 5)
            self.assertEqual(bodies(got), [b'news %d' % i for i in range(5)])

    def test_direct_routes_by_severity(self):
        channel = self.channel()
        logs = self.exchange(channel, 'direct')
        errors = self.bound(channel, logs, 'error')
        everything = self.bound(channel, logs, 'info', 'warning', 'error')
        for severity in ('info', 'error', 'warning', 'debug'):
            channel.basic_publish(logs, severity, severity.encode())
        self.assertEqual(self.get_all(channel, errors), [b'error'])
        self.assertEqual(self.get_all(channel, everything), [b'info', b'error', b'warning'])

    def test_topic_patterns(self):
        channel = self.channel()
        topic = self.exchange(channel, 'topic')
        patterns = ['kern.*', '*.critical', '#', 'lazy.#', '*.orange.*', '#.end', 'a.#.z', '']
        queues = {pattern: self.bound(channel, topic, pattern) for pattern in patterns}
        expected = {
            'kern.critical': {'kern.*', '*.critical', '#'},
            'kern.disk.full': {'#'},
            'lazy': {'#', 'lazy.#'},
            'lazy.orange.rabbit': {'#', 'lazy.#', '*.orange.*'},
            'the.end': {'#', '#.end'},
            'end': {'#', '#.end'},
            'a.z': {'#', 'a.#.z'},
            'a.b.c.z': {'#', 'a.#.z'},
            '': {'#', ''},
        }
        for key in expected:
            channel.basic_publish(topic, key, key.encode())
        found = {key: set() for key in expected}
        for pattern, queue in queues.items():
            for body in self.get_all(channel, queue):
                found[body.decode()].add(pattern)
        self.assertEqual(found, expected)

    def test_headers_all_and_any(self):
        channel = self.channel()
        exchange = self.exchange(channel, 'headers')
        both = self.bound(channel, exchange, '', arguments={'x-match': 'all', 'format': 'pdf', 'pages': 3})
        either = self.bound(channel, exchange, '', arguments={'x-match': 'any', 'format': 'pdf', 'pages': 3})
        for body, headers in ((b'both', {'format': 'pdf', 'pages': 3, 'more': True}), (b'one', {'format': 'pdf'}),
                              (b'other', {'format': 'zip', 'pages': 3}), (b'none', {'format': 'zip'})):
            channel.basic_publish(exchange, '', body, pika.BasicProperties(headers=headers))
        self.assertEqual(self.get_all(channel, both), [b'both'])
        self.assertEqual(self.get_all(channel, either), [b'both', b'one', b'other'])

    def test_exchange_bound_to_exchange(self):
        channel = self.channel()
        source, target = self.exchange(channel, 'topic'), self.exchange(channel, 'fanout')
        channel.exchange_bind(target, source, 'eu.#')
        queue = self.bound(channel, target, '')
        channel.basic_publish(source, 'eu.de', b'in')
        channel.basic_publish(source, 'us.ny', b'out')
        channel.exchange_unbind(target, source, 'eu.#')
        channel.basic_publish(source, 'eu.fr', b'late')
        self.assertEqual(self.get_all(channel, queue), [b'in'])

    def test_alternate_exchange_takes_what_has_no_route(self):
        channel = self.channel()
        lost = self.exchange(channel, 'fanout')
        main = self.exchange(channel, 'direct', arguments={'alternate-exchange': lost})
        known, found = self.bound(channel, main, 'known'), self.bound(channel, lost, '')
        channel.basic_publish(main, 'known', b'1')
        channel.basic_publish(main, 'unknown', b'2')
        self.assertEqual((self.get_all(channel, known), self.get_all(channel, found)), ([b'1'], [b'2']))

    def test_queue_bound_twice_gets_one_copy(self):
        channel = self.channel()
        topic = self.exchange(channel, 'topic')
        queue = self.bound(channel, topic, 'a.*', '*.b', '#')
        channel.basic_publish(topic, 'a.b', b'once')
        self.assertEqual(self.get_all(channel, queue), [b'once'])

    def test_unbound_queue_gets_nothing_more(self):
        channel = self.channel()
        direct = self.exchange(channel, 'direct')
        queue = self.bound(channel, direct, 'key')
        channel.basic_publish(direct, 'key', b'1')
        channel.queue_unbind(queue, direct, 'key')
        channel.basic_publish(direct, 'key', b'2')
        self.assertEqual(self.get_all(channel, queue), [b'1'])

    def test_cc_header_adds_routing_keys_and_bcc_is_not_shown(self):
        channel = self.channel()
        to, copy, blind = (self.queue(channel) for _ in range(3))
        properties = pika.BasicProperties(headers={'CC': [copy], 'BCC': [blind], 'other': 1})
        channel.basic_publish('', to, b'letter', properties)
        for queue in (to, copy, blind):
            _, found, body = self.get(channel, queue)
            self.assertEqual((body, found.headers), (b'letter', {'CC': [copy], 'other': 1}))


class Rpc(PikaTest):
    def server(self, channel):
        """Answers n with n + 1, wherever it is told to."""
        def answer(ch, method, properties, body):
            ch.basic_publish('', properties.reply_to, b'%d' % (int(body) + 1),
                             pika.BasicProperties(correlation_id=properties.correlation_id))
            ch.basic_ack(method.delivery_tag)
        queue = self.shared_queue(channel)
        channel.basic_consume(queue, answer)
        return queue

    def ask(self, client, server, requests, reply_to, answers):
        for i in range(50):
            client.basic_publish('', requests, b'%d' % i,
                                 pika.BasicProperties(reply_to=reply_to, correlation_id=f'c{i}'))
            if i % 10 == 0:
                server.connection.process_data_events()
        def step(_):
            server.connection.process_data_events(0.01)
            client.connection.process_data_events(0.01)
        self.wait_for(step, lambda: len(answers) >= 50, '50 answers')
        self.assertEqual({p.correlation_id: body for _, p, body in answers},
                         {f'c{i}': b'%d' % (i + 1) for i in range(50)})

    def test_direct_reply_to(self):
        server, client = self.channel(), self.channel()
        requests = self.server(server)
        answers, _ = self.consume(client, 'amq.rabbitmq.reply-to', auto_ack=True)
        self.ask(client, server, requests, 'amq.rabbitmq.reply-to', answers)

    def test_exclusive_reply_queue(self):
        server, client = self.channel(), self.channel()
        requests = self.server(server)
        replies = self.queue(client)
        answers, _ = self.consume(client, replies, auto_ack=True)
        self.ask(client, server, requests, replies, answers)

    def test_direct_reply_to_name_is_not_what_the_server_sees(self):
        server, client = self.channel(), self.channel()
        requests = self.shared_queue(server)
        self.consume(client, 'amq.rabbitmq.reply-to', auto_ack=True)
        client.confirm_delivery()
        client.basic_publish('', requests, b'?', pika.BasicProperties(reply_to='amq.rabbitmq.reply-to'))
        reply_to = self.get(server, requests)[1].reply_to
        self.assertTrue(reply_to.startswith('amq.rabbitmq.reply-to.'), reply_to)

    def test_answer_to_a_client_that_left_is_dropped(self):
        server, client = self.channel(), self.channel()
        requests = self.shared_queue(server)
        self.consume(client, 'amq.rabbitmq.reply-to', auto_ack=True)
        client.confirm_delivery()
        client.basic_publish('', requests, b'?', pika.BasicProperties(reply_to='amq.rabbitmq.reply-to'))
        reply_to = self.get(server, requests)[1].reply_to
        client.connection.close()
        server.confirm_delivery()
        server.basic_publish('', reply_to, b'too late')
        self.assertTrue(server.is_open)
