"""Ports of 127.0.0.1 for the brokers of tests.

They lie below those that the kernel gives to outgoing connections: one of these could have the port when its broker wants it
(again), and a client that tries it before the broker is there could be connected to itself. A port and that port + 20000,
where a node takes commands, both exist and are free.
"""
import random
import socket

LOWEST = 10240
PEER_OFFSET = 20000


def range_end():
    """The first port that outgoing connections get; all that a port and its peer port have room for when that is too low."""
    with open('/proc/sys/net/ipv4/ip_local_port_range', encoding='ascii') as f:
        first = int(f.read().split()[0])
    return first if first > LOWEST + 1000 else 65536 - PEER_OFFSET


def free_ports(count):
    """Ports nobody listens on; held all at once while they are chosen, so that they differ."""
    held, ports, end = [], [], range_end()
    try:
        while len(ports) < count:
            port = random.randrange(LOWEST, end)
            pair = [socket.socket(), socket.socket()]
            held += pair
            try:
                pair[0].bind(('127.0.0.1', port))
                pair[1].bind(('0.0.0.0', port + PEER_OFFSET))
            except OSError:
                continue
            ports.append(port)
        return ports
    finally:
        for s in held:
            s.close()


def free_port():
    return free_ports(1)[0]
