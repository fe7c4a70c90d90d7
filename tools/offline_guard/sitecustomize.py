"""Loaded by every Python below tools/offline.py: connections and look-ups that leave this machine are refused."""

import socket

LOCAL = ("127.", "::1", "localhost", "0.0.0.0")


def _refuse(host):
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if isinstance(host, str) and host and not host.startswith(LOCAL) and host != socket.gethostname():
        raise ConnectionRefusedError(f"{host} is not this machine, and tests run without a network")


def _guarded(method):
    def connect(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _refuse(address[0])
        return method(self, address)

    return connect


def _guarded_lookup(look_up):
    def getaddrinfo(host, *args, **kwargs):
        _refuse(host)
        return look_up(host, *args, **kwargs)

    return getaddrinfo


socket.socket.connect = _guarded(socket.socket.connect)
socket.socket.connect_ex = _guarded(socket.socket.connect_ex)
socket.getaddrinfo = _guarded_lookup(socket.getaddrinfo)
