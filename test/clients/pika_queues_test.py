"""Work queues and acknowledgements, as a pika user meets them."""
import hashlib
import os
import sys

import pika

from harness import HERE
from pika_base import PikaTest, bodies, numbered


class WorkQueue(PikaTest):
    def test_busy_worker_gets_no_second_task(self):
        boss = self.channel()
        boss.confirm_delivery()
        tasks = self.shared_queue(boss)
        slow, quick = self.channel(), self.channel()
        slow.basic_qos(prefetch_count=1)
        quick.basic_qos(prefetch_count=1)
        held, _ = self.consume(slow, tasks)
        boss.basic_publish('', tasks, b'm0')
        self.wait_count(slow, held, 1)

        done = []
        def work(channel, method, properties, body):
            done.append(body)
            channel.basic_ack(method.delivery_tag)
        quick.basic_consume(tasks, work)
        for body in numbered(20)[1:]:
            boss.basic_publish('', tasks, body)
        self.wait_until(quick.connection, lambda: len(done) == 19, '19 tasks done by the idle worker')
        self.assertEqual(done, numbered(20)[1:])
        slow.connection.process_data_events()
        self.assertEqual(bodies(held), [b'm0'])

    def test_workers_take_turns(self):
        boss = self.channel()
        tasks = self.shared_queue(boss)
        one, two = self.channel(), self.channel()
        first, _ = self.consume(one, tasks, auto_ack=True)
        second, _ = self.consume(two, tasks, auto_ack=True)
        for body in numbered(10):
            boss.basic_publish('', tasks, body)
        self.wait_count(one, first, 5)
        self.wait_count(two, second, 5)
        self.assertEqual(sorted([bodies(first), bodies(second)]), [numbered(10)[0::2], numbered(10)[1::2]])

    def test_tasks_of_a_killed_worker_go_to_another(self):
        boss = self.channel()
        boss.confirm_delivery()
        tasks = self.shared_queue(boss)
        for body in numbered(8):
            boss.basic_publish('', tasks, body)
        worker = self.program(sys.executable, os.path.join(HERE, 'worker.py'), str(self.port), tasks, '5', '0')
        self.assertEqual([worker.stdout.readline().strip() for _ in range(5)], [f'm{i}' for i in range(5)])
        worker.kill()
        heir = self.channel()
        got, _ = self.consume(heir, tasks)
        self.wait_count(heir, got, 8)
        self.assertEqual(sorted(bodies(got)), numbered(8))
        self.assertEqual({body: method.redelivered for method, _, body in got},
                         {body: i < 5 for i, body in enumerate(numbered(8))})

    def test_tasks_of_a_silent_worker_go_to_another(self):
        """Stopped, not dead: its socket stays open and only the missing heartbeats tell."""
        boss = self.channel()
        boss.confirm_delivery()
        tasks = self.shared_queue(boss)
        boss.basic_publish('', tasks, b'm0')
        worker = self.program(sys.executable, os.path.join(HERE, 'worker.py'), str(self.port), tasks, '1', '1')
        self.assertEqual(worker.stdout.readline().strip(), 'm0')
        worker.send_signal(19)  # SIGSTOP
        heir = self.channel()
        got, _ = self.consume(heir, tasks)
        self.wait_count(heir, got, 1)
        self.assertTrue(got[0][0].redelivered)


class Acknowledge(PikaTest):
    def filled(self, count):
        """(channel, queue with m0, m1, ...)"""
        channel = self.channel()
        queue = self.queue(channel)
        for body in numbered(count):
            channel.basic_publish('', queue, body)
        return channel, queue

    def test_get_counts_down_to_empty(self):
        channel, queue = self.filled(4)
        for i, body in enumerate(numbered(4)):
            method, _, found = self.get(channel, queue)
            self.assertEqual((found, method.message_count, method.redelivered), (body, 3 - i, False))
            self.assertEqual((method.exchange, method.routing_key), ('', queue))
        self.assertEqual(channel.basic_get(queue), (None, None, None))

    def test_nacked_messages_come_back_in_their_order(self):
        channel, queue = self.filled(10)
        tags = [self.get(channel, queue, auto_ack=False)[0].delivery_tag for _ in range(6)]
        channel.basic_ack(tags[0])
        channel.basic_nack(tags[4])
        channel.basic_nack(tags[2])
        channel.basic_nack(tags[5], multiple=True)
        self.assertEqual(self.get_all(channel, queue), numbered(10)[1:])

    def test_requeued_message_says_redelivered(self):
        channel, queue = self.filled(2)
        channel.basic_reject(self.get(channel, queue, auto_ack=False)[0].delivery_tag, requeue=True)
        flags = [self.get(channel, queue)[0].redelivered for _ in range(2)]
        self.assertEqual(flags, [True, False])

    def test_rejected_message_is_gone(self):
        channel, queue = self.filled(3)
        channel.basic_reject(self.get(channel, queue, auto_ack=False)[0].delivery_tag, requeue=False)
        self.assertEqual(self.get_all(channel, queue), numbered(3)[1:])

    def test_closing_the_channel_requeues_all_in_order(self):
        other = self.channel()
        queue = self.shared_queue(other)
        channel = self.channel()
        for body in numbered(20):
            channel.basic_publish('', queue, body)
        got, _ = self.consume(channel, queue)
        self.wait_count(channel, got, 20)
        channel.basic_ack(got[6][0].delivery_tag)
        channel.close()
        self.assertEqual(other.queue_declare(queue, passive=True).method.message_count, 19)
        self.assertEqual(self.get_all(other, queue), numbered(20)[:6] + numbered(20)[7:])

    def test_recover_delivers_again(self):
        channel, queue = self.filled(3)
        got, _ = self.consume(channel, queue)
        self.wait_count(channel, got, 3)
        channel.basic_recover(requeue=True)
        self.wait_count(channel, got, 6)
        self.assertEqual(bodies(got[3:]), numbered(3))
        self.assertEqual([m.redelivered for m, _, _ in got], [False] * 3 + [True] * 3)

    def test_ack_multiple_covers_what_came_before(self):
        channel, queue = self.filled(5)
        got, _ = self.consume(channel, queue)
        self.wait_count(channel, got, 5)
        channel.basic_ack(got[3][0].delivery_tag, multiple=True)
        channel.basic_recover(requeue=True)
        self.wait_count(channel, got, 6)
        self.assertEqual(got[5][2], b'm4')

    def test_ack_of_unknown_tag_closes_the_channel(self):
        channel, queue = self.filled(1)
        channel.basic_ack(17)
        self.assert_channel_error(channel, 406, 'unknown delivery tag 17', lambda: channel.basic_get(queue))

    def test_purge_takes_ready_messages_only(self):
        channel, queue = self.filled(5)
        tag = self.get(channel, queue, auto_ack=False)[0].delivery_tag
        self.assertEqual(channel.queue_purge(queue).method.message_count, 4)
        channel.basic_nack(tag)
        self.assertEqual(self.get_all(channel, queue), [b'm0'])


class Consume(PikaTest):
    def test_prefetch_per_consumer_bounds_what_is_unacknowledged(self):
        channel = self.channel()
        queue = self.queue(channel)
        for body in numbered(10):
            channel.basic_publish('', queue, body)
        channel.basic_qos(prefetch_count=3)
        got, _ = self.consume(channel, queue)
        self.wait_count(channel, got, 3)
        # The answer comes after every delivery that was on its way.
        self.assertEqual(channel.queue_declare(queue, passive=True).method.message_count, 7)
        self.assertEqual(len(got), 3)
        channel.basic_ack(got[1][0].delivery_tag, multiple=True)
        self.wait_count(channel, got, 5)
        self.assertEqual(channel.queue_declare(queue, passive=True).method.message_count, 5)
        self.assertEqual(bodies(got), numbered(5))

    def test_prefetch_of_the_channel_is_shared_by_its_consumers(self):
        channel = self.channel()
        channel.basic_qos(prefetch_count=4, global_qos=True)
        queues = [self.queue(channel) for _ in range(2)]
        lists = [self.consume(channel, queue)[0] for queue in queues]
        for queue in queues:
            for body in numbered(10):
                channel.basic_publish('', queue, body)
        self.wait_until(channel.connection, lambda: sum(map(len, lists)) >= 4, '4 deliveries')
        left = sum(channel.queue_declare(queue, passive=True).method.message_count for queue in queues)
        self.assertEqual((left, sum(map(len, lists))), (16, 4))

    def test_consumer_is_told_when_its_queue_is_deleted(self):
        channel, other = self.channel(), self.channel()
        queue = self.shared_queue(other)
        cancelled = []
        channel.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
        _, tag = self.consume(channel, queue)
        other.queue_delete(queue)
        self.wait_until(channel.connection, lambda: cancelled, 'the cancellation')
        self.assertEqual(cancelled, [tag])
        self.assertTrue(channel.is_open)

    def test_cancelled_consumer_keeps_what_it_has(self):
        channel = self.channel()
        queue = self.queue(channel)
        got, tag = self.consume(channel, queue)
        channel.basic_publish('', queue, b'before')
        self.wait_count(channel, got, 1)
        channel.basic_cancel(tag)
        channel.basic_publish('', queue, b'after')
        self.assertEqual(self.get_all(channel, queue), [b'after'])
        channel.basic_ack(got[0][0].delivery_tag)
        self.assertEqual(self.get_all(channel, queue), [])
        self.assertEqual(len(got), 1)

    def test_exclusive_consumer_is_alone(self):
        channel, other = self.channel(), self.channel()
        queue = self.shared_queue(channel)
        _, tag = self.consume(channel, queue, exclusive=True)
        self.assert_channel_error(other, 403, 'in exclusive use', lambda: self.consume(other, queue))
        channel.basic_cancel(tag)
        self.consume(self.channel(), queue)

    def test_consume_generator_ends_by_cancel(self):
        channel = self.channel()
        queue = self.queue(channel)
        for body in numbered(5):
            channel.basic_publish('', queue, body)
        seen = []
        for method, _, body in channel.consume(queue, inactivity_timeout=20):
            self.assertIsNotNone(method, 'nothing came')
            seen.append(body)
            channel.basic_ack(method.delivery_tag)
            if len(seen) == 3:
                break
        channel.cancel()
        self.assertEqual(seen, numbered(3))
        self.assertEqual(self.get_all(channel, queue), numbered(5)[3:])


class Volume(PikaTest):
    def test_message_of_ten_mebibytes_arrives_whole(self):
        channel = self.channel()
        queue = self.queue(channel)
        body = os.urandom(10 << 20)
        channel.confirm_delivery()
        channel.basic_publish('', queue, body)
        got, _ = self.consume(channel, queue)
        self.wait_count(channel, got, 1)
        self.assertEqual(len(got[0][2]), len(body))
        self.assertEqual(hashlib.sha256(got[0][2]).digest(), hashlib.sha256(body).digest())

    def test_ten_thousand_messages_keep_their_order(self):
        publisher, consumer = self.channel(), self.channel()
        queue = self.shared_queue(publisher)
        consumer.basic_qos(prefetch_count=200)
        seen = []
        def take(channel, method, properties, body):
            seen.append(body)
            if len(seen) % 100 == 0:
                channel.basic_ack(method.delivery_tag, multiple=True)
        consumer.basic_consume(queue, take)
        for body in numbered(10000):
            publisher.basic_publish('', queue, body)
        self.wait_until(consumer.connection, lambda: len(seen) >= 10000, '10000 deliveries')
        self.assertEqual(seen, numbered(10000))
        consumer.close()
        self.assertEqual(publisher.queue_declare(queue, passive=True).method.message_count, 0)

    def test_small_frames_carry_large_messages(self):
        channel = self.channel(frame_max=4096)
        queue = self.queue(channel)
        body = os.urandom(300000)
        headers = {f'header-{i}': 'x' * 30 for i in range(40)}
        channel.basic_publish('', queue, body, pika.BasicProperties(headers=headers))
        _, properties, found = self.get(channel, queue)
        self.assertEqual((properties.headers, found), (headers, body))
