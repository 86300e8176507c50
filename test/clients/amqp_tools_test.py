"""rabbitmq-c, through Debian's amqp-tools: what a shell script does with a broker."""
import os
import select
import subprocess

from harness import HOST, WAIT_SECONDS, ClientTest

OK, FAILED, EMPTY = 0, 1, 2


class AmqpToolsTest(ClientTest):
    def tool(self, name, *argv, stdin=b'', code=OK, where=None):
        """Runs amqp-NAME to its end; its output. `code` is the exit code that it must have."""
        where = where or ('--server', HOST, '--port', str(self.port))
        done = subprocess.run(['amqp-' + name, *where, *argv], input=stdin, capture_output=True, timeout=WAIT_SECONDS)
        self.assertEqual(done.returncode, code, done.stderr.decode(errors='replace'))
        return done.stdout if code == OK else done.stderr.decode(errors='replace')

    def queue(self, *options):
        name = self.name()
        self.assertEqual(self.tool('declare-queue', '-q', name, *options), f'{name}\n'.encode())
        self.addCleanup(lambda: self.tool('delete-queue', '-q', name))
        return name

    def get_all(self, queue, most=100):
        bodies = []
        for _ in range(most):
            done = subprocess.run(['amqp-get', '--server', HOST, '--port', str(self.port), '-q', queue],
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT_SECONDS)
            if done.returncode == EMPTY:
                break
            self.assertEqual(done.returncode, OK, done.stderr)
            bodies.append(done.stdout)
        return bodies

    def consumer(self, *argv, command='cat; echo'):
        """A running amqp-consume that copies each body to its output."""
        return self.program('amqp-consume', '--server', HOST, '--port', str(self.port), *argv, '--', 'sh', '-c', command)


class Queues(AmqpToolsTest):
    def test_publish_and_get(self):
        queue = self.queue()
        self.tool('publish', '-r', queue, '-b', 'from the command line')
        self.tool('publish', '-r', queue, stdin=b'from standard input\n')
        self.assertEqual(self.get_all(queue), [b'from the command line', b'from standard input\n'])

    def test_get_of_empty_queue_exits_with_2(self):
        self.tool('get', '-q', self.queue(), code=EMPTY)

    def test_each_line_is_a_message(self):
        queue = self.queue()
        self.tool('publish', '-l', '-r', queue, stdin=b'one\ntwo\nthree\n')
        self.assertEqual([body.rstrip(b'\n') for body in self.get_all(queue)], [b'one', b'two', b'three'])

    def test_server_names_the_queue(self):
        name = self.tool('declare-queue', '-q', '').decode().strip()
        self.assertRegex(name, r'^amq\.gen-[-\w]{22}$')
        self.tool('publish', '-r', name, '-b', 'x')
        self.assertEqual(self.get_all(name), [b'x'])
        self.tool('delete-queue', '-q', name)

    def test_durable_queue_and_persistent_message(self):
        queue = self.queue('-d')
        self.tool('publish', '-p', '-r', queue, '-b', 'kept')
        self.assertEqual(self.get_all(queue), [b'kept'])
        self.assertIn("inequivalent arg 'durable'", self.tool('declare-queue', '-q', queue, code=FAILED))

    def test_delete_tells_how_many_messages(self):
        queue = self.queue()
        self.tool('publish', '-l', '-r', queue, stdin=b'1\n2\n3\n')
        self.assertIn('PRECONDITION_FAILED', self.tool('delete-queue', '-e', '-q', queue, code=FAILED))
        self.assertEqual(self.tool('delete-queue', '-q', queue).strip(), b'3')
        self.assertIn('NOT_FOUND', self.tool('get', '-q', queue, code=FAILED))

    def test_large_message(self):
        queue = self.queue()
        body = os.urandom(3 << 20)
        self.tool('publish', '-r', queue, stdin=body)
        self.assertEqual(self.tool('get', '-q', queue), body)


class Consume(AmqpToolsTest):
    def test_command_runs_for_each_message_and_acknowledges(self):
        queue = self.queue()
        self.tool('publish', '-l', '-r', queue, stdin=b'a\nb\nc\n')
        out = self.tool('consume', '-q', queue, '-c', '2', '-p', '1', 'cat')
        self.assertEqual(out.split(), [b'a', b'b'])
        self.assertEqual([body.strip() for body in self.get_all(queue)], [b'c'])

    def test_no_ack_consumer(self):
        queue = self.queue()
        self.tool('publish', '-r', queue, '-b', 'only')
        self.assertEqual(self.tool('consume', '-A', '-q', queue, '-c', '1', 'cat'), b'only')
        self.assertEqual(self.get_all(queue), [])

    def test_message_whose_command_fails_stays(self):
        queue = self.queue()
        self.tool('publish', '-r', queue, '-b', 'again')
        consumer = self.consumer('-q', queue, '-p', '1', command='cat; echo; exit 1')
        self.assertEqual(consumer.stdout.readline(), 'again\n')
        consumer.kill()
        consumer.wait()
        self.assertEqual(self.tool('consume', '-q', queue, '-c', '1', 'cat'), b'again')

    def test_subscribers_of_an_exchange(self):
        key = self.name('key')
        consumers = [self.consumer('-e', 'amq.topic', '-r', key + '.#', '-q', '', '-x') for _ in range(2)]
        # A consumer says nothing when it is ready: publish until both have printed the message.
        waiting = {consumer.stdout.fileno() for consumer in consumers}
        def step(_):
            self.tool('publish', '-e', 'amq.topic', '-r', key + '.a', '-b', 'news')
            for fd in select.select(waiting, [], [], 0.1)[0]:
                self.assertTrue(os.read(fd, 4096).startswith(b'news'), 'not the message')
                waiting.discard(fd)
        self.wait_for(step, lambda: not waiting, 'both subscribers')


class Errors(AmqpToolsTest):
    def test_wrong_password(self):
        text = self.tool('declare-queue', '-q', 'x', '--username', 'guest', '--password', 'wrong', code=FAILED)
        self.assertIn('ACCESS_REFUSED', text)

    def test_unknown_vhost(self):
        text = self.tool('declare-queue', '-q', 'x', '--vhost', 'nowhere', code=FAILED)
        self.assertIn('vhost nowhere not found', text)

    def test_publish_to_missing_exchange(self):
        queue = self.queue()
        self.tool('publish', '-e', self.name('missing'), '-r', queue, '-b', 'x', code=FAILED)
        self.assertEqual(self.get_all(queue), [])

    def test_get_from_missing_queue(self):
        self.assertIn('NOT_FOUND', self.tool('get', '-q', self.name('missing'), code=FAILED))

    def test_url(self):
        where = ('-u', f'amqp://guest:guest@{HOST}:{self.port}/%2f')
        queue = self.queue()
        self.tool('publish', '-r', queue, '-b', 'x', where=where)
        self.assertEqual(self.tool('get', '-q', queue, where=where), b'x')

    def test_tls_with_client_certificate(self):
        port, certs = self.tls()
        where = ('-u', f'amqps://guest:guest@localhost:{port}/%2f', '--cacert', f'{certs}/ca.pem',
                 '--cert', f'{certs}/client.pem', '--key', f'{certs}/client.key')
        queue = self.queue()
        self.tool('publish', '-r', queue, '-b', 'sealed', where=where)
        self.assertEqual(self.tool('get', '-q', queue, where=where), b'sealed')
