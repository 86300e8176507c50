"""A throw-away authority, with a certificate for the server (localhost) and one for the client (the user guest)."""
import os
import subprocess

DAYS = '2'


def make(directory):
    def path(name):
        return os.path.join(directory, name)

    def certificate(name, subject, *extra):
        subprocess.run(
            ['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', DAYS,
             '-subj', subject, '-keyout', path(name + '.key'), '-out', path(name + '.pem'), *extra],
            check=True, stdin=subprocess.DEVNULL, capture_output=True)

    signed = ('-CA', path('ca.pem'), '-CAkey', path('ca.key'), '-addext', 'basicConstraints=critical,CA:false')
    certificate('ca', '/CN=Leveret test authority')
    certificate('server', '/CN=localhost', *signed, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1')
    certificate('client', '/CN=guest', *signed, '-addext', 'extendedKeyUsage=clientAuth')
    certificate('stranger_ca', '/CN=Another authority')


def tls_config(directory, port):
    """Keys of a configuration file: a TLS listener, certificates checked where there are some, EXTERNAL offered."""
    return f'''
listeners.ssl.default = 127.0.0.1:{port}
ssl_options.cacertfile = {directory}/ca.pem
ssl_options.certfile = {directory}/server.pem
ssl_options.keyfile = {directory}/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
ssl_cert_login_from = common_name
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = AMQPLAIN
auth_mechanisms.3 = EXTERNAL
'''
