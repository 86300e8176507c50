"""A broker of the tests' own, on free loopback ports with its data in a temporary directory.

The program is Leveret, or anything that takes --listen, --data-dir, --shards and --config, prints a line with the word
`ready` when it accepts connections, and ends on SIGTERM: test/clients/rabbitmq is such a one.
"""
import os
import shutil
import signal
import subprocess
import tempfile
import threading

from ports import free_port

START_SECONDS = 120
STOP_SECONDS = 20


class Broker:
    """Not started yet. `config` is the text of a configuration file. Keeps port and data over stop() and start()."""

    def __init__(self, program, shards=1, config='', port=None):
        self.program = program
        self.shards = shards
        self.port = port or free_port()
        self.dir = tempfile.mkdtemp(prefix='leveret-clients.')
        self.config = os.path.join(self.dir, 'broker.conf')
        self.output = []
        self.grown = threading.Condition()
        self.process = None
        with open(self.config, 'w', encoding='utf-8') as f:
            f.write(config)

    def start(self, **environment):
        data = os.path.join(self.dir, 'data')
        os.makedirs(data, exist_ok=True)
        ready = threading.Event()
        self.process = subprocess.Popen(
            ['setpriv', '--pdeathsig', 'TERM',  # it never outlives the tests
             self.program, '--listen', f'127.0.0.1:{self.port}', '--data-dir', data, '--shards',
             str(self.shards), '--config', self.config],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors='replace',
            start_new_session=True, env=dict(os.environ, **environment))
        self._reader = threading.Thread(target=self._read, args=(self.process.stdout, ready), daemon=True)
        self._reader.start()
        if not ready.wait(START_SECONDS) or self.process.poll() is not None:
            self.kill()
            raise RuntimeError(f'{self.program} did not become ready:\n{self.log()}')
        return self

    def _read(self, stream, ready):
        for line in stream:
            with self.grown:
                self.output.append(line)
                self.grown.notify_all()
            if 'ready' in line:
                ready.set()
        ready.set()  # its end wakes start() too, which then finds the process gone
        stream.close()

    def log(self):
        return ''.join(self.output[-40:])

    def wait_line(self, words, seconds=60):
        """Until a line of its output has these words."""
        with self.grown:
            if not self.grown.wait_for(lambda: any(words in line for line in self.output), seconds):
                raise RuntimeError(f'no line with "{words}" within {seconds} s:\n{self.log()}')

    def stop(self):
        """Asks it to end. Returns the exit code; a broker that has to be killed is an error."""
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f'{self.program} did not end within {STOP_SECONDS} s of SIGTERM') from None
        self._reader.join()
        self.process = None
        return code

    def ended(self, seconds=STOP_SECONDS):
        """Waits for an end that it was sent to otherwise, or met by itself. Returns the exit code."""
        code = self.process.wait(seconds)
        self._reader.join()
        self.process = None
        return code

    def kill(self):
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self._reader.join()
            self.process = None

    def close(self):
        """Stops it, whatever its state, and removes its files."""
        try:
            return self.stop()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.close()
