"""The programs in README.md, run as they stand there but for the port and the name of the queue."""
import os
import re
import subprocess
import sys

from harness import HERE, HOST, WAIT_SECONDS, ClientTest

README = os.path.join(os.path.dirname(os.path.dirname(HERE)), 'README.md')


class Readme(ClientTest):
    def block(self, pattern):
        with open(README, encoding='utf-8') as f:
            found = re.findall(pattern, f.read(), re.S | re.M)
        self.assertEqual(len(found), 1, f'README.md has no such block, or several: {pattern}')
        return found[0].replace('hello', self.queue)

    def setUp(self):
        self.queue = self.name('hello')

    def output(self, argv, text):
        # Without a line for each port there would be a test of the default port only.
        done = subprocess.run(argv, input=text, cwd=HERE, capture_output=True, text=True, timeout=WAIT_SECONDS)
        self.assertEqual((done.returncode, done.stderr), (0, ''), text)
        return done.stdout

    def replaced(self, text, old, new):
        self.assertIn(old, text)
        return text.replace(old, new)

    def test_python(self):
        text = self.replaced(self.block(r'^```python\n(.*?)^```'), '"127.0.0.1"', f'"{HOST}", {self.port}')
        self.assertEqual(self.output([sys.executable, '-'], text), 'Hello from pika\n')

    def test_javascript(self):
        text = self.replaced(self.block(r'^```js\n(.*?)^```'), '@127.0.0.1', f'@{HOST}:{self.port}')
        self.assertEqual(self.output(['node', '-'], text), 'Hello from amqplib\n')

    def test_shell(self):
        text = self.block(r'^((?:    (?:echo .* \| )?amqp-[^\n]*\n)+)')
        text = re.sub(r'amqp-\w+(-queue)?', lambda m: f'{m.group(0)} --server {HOST} --port {self.port}', text)
        self.assertEqual(self.output(['sh', '-e'], text), f'{self.queue}\nHello from a shell\n')

    def test_operator(self):
        if os.path.basename(os.environ.get('CLIENTS_BROKER', '')) == 'rabbitmq':
            self.skipTest('RabbitMQ has no leveretctl')
        one = self.own_broker()
        here = os.path.dirname(os.path.realpath(one.program))
        tool = os.path.join(here, '..', 'ctl', 'leveretctl')
        text = self.replaced(self.block(r'^((?:    build/release/leveretctl [^\n]*\n)+)'), 'build/release/leveretctl', tool)
        # What ./start makes of its directory: the tool looks for ./data.
        done = subprocess.run(['sh', '-e'], input=text, cwd=one.dir, capture_output=True, text=True, timeout=WAIT_SECONDS)
        self.assertEqual((done.returncode, done.stderr), (0, ''), done.stdout)
        self.assertIn('Listing queues for vhost / ...', done.stdout)
        self.assertTrue(os.path.exists(os.path.join(one.dir, 'definitions.json')))

    def tearDown(self):
        subprocess.run(['amqp-delete-queue', '--server', HOST, '--port', str(self.port), '-q', self.queue],
                       stdin=subprocess.DEVNULL, capture_output=True, timeout=WAIT_SECONDS)
