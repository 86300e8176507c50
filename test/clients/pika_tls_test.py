"""TLS, and logging in by a certificate."""
import contextlib
import os
import socket
import ssl
import threading

import pika

import certs
from harness import HOST, WAIT_SECONDS
from pika_base import PikaTest
from ports import free_port

APPLICATION_DATA = 23  # a record's type


class Wire(threading.Thread):
    """Passes one connection on to the port, behind a preamble, and keeps what the broker sends."""

    def __init__(self, port, preamble=b''):
        super().__init__(daemon=True)
        self.to, self.preamble = port, preamble
        self.listener, self.bytes = socket.create_server((HOST, 0)), bytearray()
        self.port = self.listener.getsockname()[1]

    def run(self):
        client, broker = self.listener.accept()[0], socket.create_connection((HOST, self.to))
        broker.sendall(self.preamble)
        threading.Thread(target=self.copy, args=(client, broker, None), daemon=True).start()
        self.copy(broker, client, self.bytes)

    @staticmethod
    def copy(source, target, keep):
        try:
            while some := source.recv(65536):
                if keep is not None:
                    keep += some
                target.sendall(some)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # the other side has gone

    def records(self):
        """Lengths of the records of data, whose heads are in clear."""
        lengths, at = [], 0
        while at + 5 <= len(self.bytes):
            length = int.from_bytes(self.bytes[at + 3:at + 5], 'big')
            if self.bytes[at] == APPLICATION_DATA:
                lengths.append(length)
            at += 5 + length
        return lengths


class Tls(PikaTest):
    def options(self, certificate=False, ca='ca.pem', version=None):
        """(port, SSLOptions)"""
        port, certs = self.tls()
        context = ssl.create_default_context(cafile=os.path.join(certs, ca))
        if version:
            context.minimum_version = context.maximum_version = version
        if certificate:
            context.load_cert_chain(os.path.join(certs, 'client.pem'), os.path.join(certs, 'client.key'))
        return port, pika.SSLOptions(context, 'localhost')

    def tls_channel(self, credentials=None, **options):
        port, ssl_options = self.options(**options)
        if credentials:
            return self.connect(port, ssl_options=ssl_options, credentials=credentials).channel()
        return self.connect(port, ssl_options=ssl_options).channel()

    def round_trip(self, channel, size):
        queue = self.queue(channel)
        body = os.urandom(size)
        channel.basic_publish('', queue, body)
        got, _ = self.consume(channel, queue, auto_ack=True)
        self.wait_count(channel, got, 1)
        self.assertEqual(got[0][2], body)

    def test_tls_1_2(self):
        self.round_trip(self.tls_channel(version=ssl.TLSVersion.TLSv1_2), 1000)

    def test_tls_1_3(self):
        self.round_trip(self.tls_channel(version=ssl.TLSVersion.TLSv1_3), 1000)

    def test_large_message_over_tls(self):
        self.round_trip(self.tls_channel(), 5 << 20)

    def test_client_that_does_not_begin_tls_is_dropped(self):
        _, certs_dir = self.tls()
        tls_port = free_port()
        self.own_broker(certs.tls_config(certs_dir, tls_port) +
                        'ssl_handshake_timeout = 300\nhandshake_timeout = 600000\n')
        with socket.create_connection((HOST, tls_port), WAIT_SECONDS) as s:
            s.settimeout(WAIT_SECONDS)
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(s.recv(1), b'')

    def test_proxy_header_comes_before_tls(self):
        _, certs_dir = self.tls()
        tls_port = free_port()
        broker = self.own_broker(certs.tls_config(certs_dir, tls_port) + 'proxy_protocol = true\n'
                                 'loopback_users = none\n')
        wire = Wire(tls_port, b'PROXY TCP4 192.0.2.7 192.0.2.8 40007 5671\r\n')
        wire.start()
        _, ssl_options = self.options()
        self.round_trip(self.connect(wire.port, ssl_options=ssl_options).channel(), 1000)
        broker.wait_line('192.0.2.7:40007')

    def test_small_deliveries_share_full_records(self):
        channel = self.channel()
        queue = self.shared_queue(channel)
        channel.confirm_delivery()
        for _ in range(1000):
            channel.basic_publish('', queue, 100 * b'x')
        port, ssl_options = self.options()
        wire = Wire(port)
        wire.start()
        consumer = self.connect(wire.port, ssl_options=ssl_options).channel()
        got, _ = self.consume(consumer, queue, auto_ack=True)
        self.wait_count(consumer, got, 1000)
        consumer.connection.close()
        wire.join()
        records = wire.records()
        self.assertGreater(sum(records), 100000)
        self.assertLess(len(records), 100)
        self.assertGreaterEqual(max(records), 16384)

    def test_external_logs_in_by_certificate(self):
        channel = self.tls_channel(credentials=pika.credentials.ExternalCredentials(), certificate=True)
        queue = self.queue(channel)
        # The user is the one of the certificate: the broker compares.
        channel.confirm_delivery()
        channel.basic_publish('', queue, b'x', pika.BasicProperties(user_id='guest'))
        self.assertEqual(self.get(channel, queue)[1].user_id, 'guest')

    def test_external_without_certificate_is_refused(self):
        with self.assertRaises(pika.exceptions.AMQPConnectionError):
            self.tls_channel(credentials=pika.credentials.ExternalCredentials())

    def test_client_that_trusts_another_authority_does_not_connect(self):
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.tls_channel(ca='stranger_ca.pem')
        self.round_trip(self.tls_channel(), 10)
