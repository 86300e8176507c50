#!/usr/bin/env python3
"""The tool against nodes that misbehave: what it says, with which exit code, and that it ends.

tool_test.py LEVERETCTL
"""
import hashlib
import hmac
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

TOOL = os.path.abspath(sys.argv.pop(1) if len(sys.argv) > 1 else 'build/debug/leveretctl')
DEADLINE_S = 20


class FakeNode:
    """Listens on DIR/control.sock, answers ping, and anything else with the given bytes; then it hangs up, or does not."""

    def __init__(self, answer, hangs=False, name='rabbit@here'):
        self.dir = tempfile.TemporaryDirectory(prefix='tool-')
        self.answer, self.hangs, self.name = answer, hangs, name
        self.requests = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.dir.name, 'control.sock'))
        self.listener.listen(8)
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        with peer, peer.makefile('rb') as lines:
            for line in lines:
                request = json.loads(line)
                if request['command'] == 'ping':
                    peer.sendall(b'o {"node":"%s"}\n' % self.name.encode())
                    continue
                self.requests.append(request)
                try:
                    peer.sendall(self.answer)
                except OSError:
                    pass
                if not self.hangs:
                    return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # the thread leaves accept() before another listener gets the descriptor
        self.thread.join()
        self.listener.close()
        self.dir.cleanup()


class Misbehaving(unittest.TestCase):
    def run_tool(self, *words, answer=b'', hangs=False, stdout=subprocess.PIPE, env=None):
        node = FakeNode(answer, hangs)
        self.addCleanup(node.close)
        self.node = node
        done = subprocess.run([TOOL, *words], stdout=stdout, stderr=subprocess.PIPE, text=True, errors='replace',
                              timeout=DEADLINE_S, env={'PATH': os.environ['PATH'], 'LEVERET_DATA_DIR': node.dir.name, 'RABBITMQ_DIST_PORT': '1',
                                   'HOME': node.dir.name, **(env or {})})
        return done.returncode, done.stdout or '', done.stderr

    def test_hangs_up_without_an_answer(self):
        code, out, err = self.run_tool('list_queues')
        self.assertEqual((code, out), (69, 'Timeout: 60.0 seconds ...\nListing queues for vhost / ...\n'))
        self.assertEqual(err, 'Error:\nthe node has gone before it answered\n')

    def test_hangs_up_in_the_middle_of_a_list(self):
        code, out, err = self.run_tool('-s', 'list_queues', answer=b'r ["q1",0]\nr ["q2"')
        self.assertEqual((code, out), (69, 'q1\t0\n'))
        self.assertIn('the node has gone', err)

    def test_a_name_with_a_nul_ends_no_list(self):
        code, out, _ = self.run_tool('-s', 'list_queues', answer=b'r ["q\\u00001",0]\nr ["q2",1]\no {}\n')
        self.assertEqual((code, out), (0, 'q\\0001\t0\nq2\t1\n'))

    def test_does_not_answer(self):
        code, out, err = self.run_tool('list_queues', '--timeout', '1', hangs=True)
        self.assertEqual((code, err),
                         (75, 'Error: operation list_queues on node rabbit@here timed out. Timeout value used: 1000\n'))

    def test_stops_answering_in_the_middle_of_a_list(self):
        code, out, _ = self.run_tool('-s', 'list_queues', '--timeout', '1', answer=b'r ["q1",0]\n', hangs=True)
        self.assertEqual((code, out), (75, 'q1\t0\n'))

    def test_answers_no_protocol(self):
        for answer in (b'HTTP/1.1 400 Bad Request\r\n\r\n', b'\n', b'o\n', b'x {}\n'):
            code, _, err = self.run_tool('list_queues', answer=answer)
            self.assertEqual(code, 69, answer)
            self.assertTrue(err.startswith('Error:\n'), answer)

    def test_answers_no_json(self):
        for answer in (b'o {\n', b'r [1,\n', b'e nothing\n', b'o \xff\xfe\n'):
            code, _, err = self.run_tool('list_queues', answer=answer)
            self.assertEqual((code, err), (70, "Error:\nthe node's answer is no JSON\n"), answer)

    def test_answers_rows_of_other_shapes(self):
        for row in (b'r {}\n', b'r []\n', b'r 5\n', b'r [null]\n', b'r ["a","b","c"]\n'):
            for formatter in ('table', 'pretty_table', 'csv', 'json', 'json_stream', 'erlang', 'string'):
                code, _, err = self.run_tool('list_queues', '--formatter', formatter, answer=row + b'o {}\n')
                self.assertEqual((code, err), (0, ''), (row, formatter))

    def test_answers_an_error_without_words(self):
        code, _, err = self.run_tool('delete_user', 'x', answer=b'e {}\n')
        self.assertEqual((code, err), (70, 'Error:\nthe node does not say why\n'))

    def test_kinds_have_their_exit_codes(self):
        kinds = {'bad_request': 70, 'usage': 64, 'bad_argument': 65, 'not_found': 65, 'no_such_user': 67, 'exists': 70, 'refused': 69,
                 'wrong_cookie': 69, 'unavailable': 69, 'failed': 70, 'timeout': 75, 'never heard of': 69}
        for kind, expected in kinds.items():
            answer = b'e ' + json.dumps({'kind': kind, 'text': 'why'}).encode() + b'\n'
            code, _, err = self.run_tool('set_cluster_name', 'x', answer=answer)
            self.assertEqual(code, expected, kind)
            self.assertTrue(err.endswith('why\n') or kind == 'timeout', err)

    def test_stopped_application_is_a_usage_error_without_a_banner(self):
        code, out, err = self.run_tool('list_queues', answer=b'e {"kind":"not_running","text":"x"}\n')
        self.assertEqual((code, out), (64, ''))
        self.assertTrue(err.startswith("Error: this command requires the 'rabbit' app to be running on the target node."))

    def test_socket_without_a_listener(self):
        with tempfile.TemporaryDirectory() as top, socket.socket(socket.AF_UNIX) as dead:
            dead.bind(os.path.join(top, 'control.sock'))
            done = subprocess.run([TOOL, 'list_queues', '--data-dir', top], capture_output=True, text=True, timeout=DEADLINE_S)
        self.assertEqual((done.returncode, done.stdout), (69, ''))
        self.assertIn('Error: unable to perform an operation on node ', done.stderr)

    def test_only_a_socket_of_ones_own_is_found_by_standing_beside_it(self):
        for is_own in (True, False):
            with tempfile.TemporaryDirectory() as top, socket.socket(socket.AF_UNIX) as dead:
                path = os.path.join(top, 'data', 'control.sock')
                os.mkdir(os.path.dirname(path))
                if is_own or os.geteuid() == 0:
                    dead.bind(path)
                else:
                    os.symlink('/etc/passwd', path)  # who is not root has only root's files to show
                if not is_own and os.geteuid() == 0:
                    os.chown(path, 65534, 65534)
                done = subprocess.run([TOOL, 'list_queues'], capture_output=True, text=True, timeout=DEADLINE_S, cwd=top,
                                      env={'PATH': os.environ['PATH'], 'HOME': top, 'RABBITMQ_DIST_PORT': '1'})
            self.assertEqual((done.returncode, done.stdout), (69, ''))
            self.assertEqual(' data/control.sock' in done.stderr, is_own, done.stderr)

    def test_output_that_cannot_be_written_is_a_failure(self):
        with open('/dev/full', 'wb') as full:
            code, _, err = self.run_tool('list_queues', answer=b'r ["q",0]\no {}\n', stdout=full)
        self.assertEqual(code, 74)
        self.assertIn('the output could not be written', err)

    def test_output_into_a_file(self):
        with tempfile.TemporaryDirectory() as top:
            path = pathlib.Path(top, 'out')
            code, out, _ = self.run_tool('list_queues', '--printer', 'file', '--file', str(path), answer=b'r ["q",0]\no {}\n')
            self.assertEqual((code, out), (0, ''))
            self.assertTrue(path.read_text().endswith('name\tmessages\nq\t0\n'))

    def test_nothing_is_asked_in_a_dry_run(self):
        code, out, err = self.run_tool('--dry-run', 'list_queues', answer=b'o {}\n')
        self.assertEqual((code, out, err, self.node.requests), (0, '', '', []))

    def test_arguments_of_any_bytes_reach_the_node_as_text(self):
        self.run_tool('-p', 'a"b\\', 'list_queues', answer=b'o {}\n')
        self.assertEqual(self.node.requests[0]['arguments']['vhost'], 'a"b\\')
        code, _, err = self.run_tool('-p', b'\xff', 'list_queues', answer=b'o {}\n')
        self.assertEqual(code, 64)
        self.assertIn('UTF-8', err)
        self.assertEqual(self.node.requests, [])


class Stranger(unittest.TestCase):
    """What listens on the peer port is not a node, or has another secret."""

    def ask(self, talk):
        with socket.socket() as listener:
            listener.bind(('127.0.0.1', 0))
            listener.listen(1)

            def serve():
                peer, _ = listener.accept()
                with peer:
                    talk(peer)

            threading.Thread(target=serve, daemon=True).start()
            port = listener.getsockname()[1]
            done = subprocess.run([TOOL, '-n', f'rabbit@127.0.0.1:{port}', '--erlang-cookie', 'SECRET', 'list_users'],
                                  capture_output=True, text=True, timeout=DEADLINE_S,
                                  env={'PATH': os.environ['PATH'], 'LEVERET_DATA_DIR': '/nonexistent', 'HOME': '/nonexistent'})
        self.assertEqual((done.returncode, done.stdout), (69, ''))
        self.assertTrue(done.stderr.startswith("Error: unable to perform an operation on node 'rabbit@127.0.0.1'."), done.stderr)
        return done.stderr

    def test_another_protocol(self):
        self.assertIn('is no Leveret node', self.ask(lambda peer: peer.sendall(b'AMQP\0\0\x09\x01\n')))

    def test_a_node_that_does_not_know_the_cookie_gets_no_command(self):
        got = []

        def impostor(peer):
            nonce = '0' * 64
            peer.sendall(f'leveret-control 1 rabbit@127.0.0.1 {nonce}\n'.encode())
            lines = peer.makefile('rb')
            got.append(lines.readline())
            mine = got[0].split()[1].decode()
            proof = hmac.new(b'GUESS', f'server rabbit@127.0.0.1 {nonce} {mine}'.encode(), hashlib.sha256).hexdigest()
            peer.sendall(f'ok {proof}\n'.encode())
            got.append(lines.readline())

        self.assertIn('another cookie', self.ask(impostor))
        self.assertNotIn(b'SECRET', got[0])
        self.assertEqual(got[1:], [b''] if len(got) > 1 else [])


if __name__ == '__main__':
    result = unittest.main(exit=False, verbosity=0).result
    failed = len(result.failures) + len(result.errors)
    print(f'{result.testsRun - failed} passed, {failed} failed')
    sys.exit(1 if failed else 0)
