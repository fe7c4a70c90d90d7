"""A CONNECT proxy on loopback: the way in that needs nothing but HTTPS_PROXY.

Tunnels to Google's hosts end at the local servers. The ClientHello tells gRPC from HTTP/1.1 by the protocols that
the client offers. Other hosts are reached as they would be without us, or refused where the server is offline.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
import time
from urllib.parse import urlsplit

GOOGLE = re.compile(r"(.+\.)?(googleapis\.com|vertexai\.goog)", re.IGNORECASE)
HELLO_SECONDS = 60  # a notebook's process may be busy for long
LEASE = "lease.mlelab.invalid"


class Proxy:
    """Listens on 127.0.0.1. `grpc_port` and `http_port` are the local TLS servers."""

    def __init__(
        self, grpc_port: int, http_port: int, *, port: int = 0, offline: bool = True, upstream: str | None = None
    ) -> None:
        self._grpc_port, self._http_port = grpc_port, http_port
        self._offline, self._upstream = offline, upstream
        self._loop = asyncio.new_event_loop()
        self.leases = 0
        self.released = 0.0  # when the last lease ended (time.monotonic), 0 where there was none yet
        self._tunnels: set[asyncio.Task[None] | None] = set()
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._serve, "127.0.0.1", port, limit=65536, backlog=512)
        )
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="proxy")
        self._thread.start()

    def close(self) -> None:
        """Stop listening and cut every tunnel."""

        async def stop() -> None:
            self._server.close()
            while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            self._loop.stop()

        asyncio.run_coroutine_threadsafe(stop(), self._loop)
        self._thread.join(5)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answered = False
        self._tunnels.add(asyncio.current_task())  # asyncio itself keeps but a weak reference
        try:
            _acknowledge_at_once(writer)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            verb, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
            host, _, port = target.rpartition(":")
            if verb != "CONNECT" or not port.isdigit():
                raise ValueError("this proxy speaks CONNECT only")
            if host == LEASE:
                await self._lease(reader, writer)
                return
            if GOOGLE.fullmatch(host):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                answered = True
                _acknowledge_at_once(writer)
                record = await asyncio.wait_for(reader.readexactly(5), HELLO_SECONDS)
                hello = record + await asyncio.wait_for(reader.readexactly(int.from_bytes(record[3:])), HELLO_SECONDS)
                speaks_grpc = b"\x02h2" in hello and b"\x08http/1.1" not in hello
                to = await asyncio.open_connection("127.0.0.1", self._grpc_port if speaks_grpc else self._http_port)
                to[1].write(hello)
            else:
                to = await self._elsewhere(host, int(port))
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                answered = True
            _acknowledge_at_once(writer)
            await asyncio.gather(self._pump(reader, to[1], writer), self._pump(to[0], writer))
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError) as error:
            if answered:
                return  # inside a tunnel nothing but the peer's bytes may stand
            with contextlib.suppress(OSError):
                writer.write(f"HTTP/1.1 502 {str(error)[:200]!r}\r\nConnection: close\r\n\r\n".encode())
        except asyncio.CancelledError:
            pass  # close() cuts the tunnels
        finally:
            self._tunnels.discard(asyncio.current_task())
            with contextlib.suppress(OSError, RuntimeError):
                writer.close()

    async def _elsewhere(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._offline:
            raise ValueError(f"the local stand-in for Vertex AI is offline and does not reach {host}")
        if not self._upstream:
            return await asyncio.open_connection(host, port)
        parts = urlsplit(self._upstream)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
        writer.write(f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
        if b" 200" not in answer.split(b"\r\n", 1)[0]:
            raise ValueError(f"the proxy {parts.hostname} does not reach {host}")
        return reader, writer

    async def _lease(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A notebook holds this connection open for as long as it lives."""
        writer.write(b"HTTP/1.1 200 Lease granted\r\n\r\n")
        self.leases += 1
        try:
            await reader.read()
        finally:
            self.leases -= 1
            self.released = time.monotonic()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, source: asyncio.StreamWriter | None = None
    ) -> None:
        try:
            while data := await reader.read(65536):
                if source:
                    _acknowledge_at_once(source)
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            writer.close()


def _acknowledge_at_once(writer: asyncio.StreamWriter) -> None:
    """Spare each request of a client behind a proxy 40 ms: urllib3 leaves Nagle's algorithm on there, and so holds a
    request's body back until its head is acknowledged. The kernel forgets this after a while."""
    if hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
