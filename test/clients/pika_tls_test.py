"""TLS, and logging in by a certificate."""
import os
import ssl

import pika

from pika_base import PikaTest


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
