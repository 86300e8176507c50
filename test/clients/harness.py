"""What the Python suites share: a deadline on every test, connections, and waiting for events.

  harness.py SUITE [WORD]     runs SUITE_*_test.py beside this file, or only the tests with WORD in their names;
                              closes with "N passed, N failed, N skipped"

CLIENTS_PORT says where the broker is. The rest is optional, and tests that need it are skipped without it:
CLIENTS_TLS_PORT and CLIENTS_CERTS (certs.py), CLIENTS_BROKER and CLIENTS_SHARDS to start brokers of their own (broker.py).
"""
import glob
import importlib
import os
import signal
import subprocess
import sys
import time
import unittest
import uuid

import broker

HERE = os.path.dirname(os.path.abspath(__file__))
HOST = '127.0.0.1'
TEST_SECONDS = 60  # a test that takes longer has failed; starting another broker is not counted
WAIT_SECONDS = 20
CLEANUP_SECONDS = 10  # each step of cleaning up behind a test that ran out of time


class ClientTest(unittest.TestCase):
    longMessage = True

    def run(self, result=None):
        def expired(*_):
            signal.alarm(CLEANUP_SECONDS)  # what cleans up behind the test may hang, too
            raise AssertionError(f'no end within {TEST_SECONDS} s')
        signal.signal(signal.SIGALRM, expired)
        signal.alarm(TEST_SECONDS)
        try:
            return super().run(result)
        finally:
            signal.alarm(0)

    @property
    def port(self):
        return int(os.environ['CLIENTS_PORT'])

    def tls(self):
        """(port, directory of the certificates)"""
        if 'CLIENTS_TLS_PORT' not in os.environ:
            self.skipTest('no TLS listener is known')
        return int(os.environ['CLIENTS_TLS_PORT']), os.environ['CLIENTS_CERTS']

    def own_broker(self, config='', **environment):
        """A started broker for this test alone."""
        program = os.environ.get('CLIENTS_BROKER')
        if not program:
            self.skipTest('no program to start brokers from is known')
        one = broker.Broker(program, int(os.environ.get('CLIENTS_SHARDS', '1')), config)
        self.addCleanup(one.close)
        signal.alarm(0)
        one.start(**environment)
        signal.alarm(TEST_SECONDS)
        return one

    def name(self, what='queue'):
        """A name that no other test and no other run uses."""
        return f'{what}-{self._testMethodName}-{uuid.uuid4().hex[:8]}'

    def wait_for(self, step, condition, what, seconds=WAIT_SECONDS):
        """Calls step(seconds left), which handles events as they come, until the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            left = deadline - time.monotonic()
            self.assertGreater(left, 0, f'{what}: not within {seconds} s')
            step(left)

    def program(self, *argv, **options):
        """Starts a helper process; it is killed at the end of the test if it still runs."""
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, **options)

        def end():
            process.kill()
            process.wait()
            process.stdout.close()
        self.addCleanup(end)
        return process


class Result(unittest.TestResult):
    """One line a test."""

    def __init__(self, *args):
        super().__init__(*args)
        self.passed = 0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def say(self, verdict, test, text=''):
        module, _, name = test.id().partition('.')
        name = name.split('.')[-1].removeprefix('test_')
        print(f'{verdict:4} {time.monotonic() - self.began:6.2f} s  {module}: {name}{text}', flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        self.say('ok', test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say('skip', test, f' ({reason})')

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say('FAIL', test, '\n' + self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        where = test if hasattr(test, '_testMethodName') else unittest.FunctionTestCase(lambda: None)
        self.say('FAIL', where, '\n' + self.errors[-1][1])


def with_word(tests, word):
    for test in tests:
        if isinstance(test, unittest.TestSuite):
            yield from with_word(test, word)
        elif word in test.id():
            yield test


def main(suite, word=''):
    sys.path.insert(0, HERE)
    loader, tests = unittest.TestLoader(), []
    for path in sorted(glob.glob(os.path.join(HERE, suite + '_*test.py'))):
        module = importlib.import_module(os.path.basename(path)[:-3])
        tests.extend(with_word(loader.loadTestsFromModule(module), word))
    result = Result()
    unittest.TestSuite(tests).run(result)
    failed = len(result.failures) + len(result.errors)
    print(f'{result.passed} passed, {failed} failed, {len(result.skipped)} skipped')
    return 1 if failed else 0


if __name__ == '__main__':
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that tests clean up
    sys.modules['harness'] = sys.modules['__main__']
    sys.exit(main(*sys.argv[1:]))
