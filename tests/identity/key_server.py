"""An HTTPS server with the keys of an issuer, which fails in every way."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trustme


class KeyServer:
    """Serves `content`; counts the requests, and holds responses while `gate` is not set."""

    def __init__(self, authority: trustme.CA, content: bytes) -> None:
        self.content = content
        self.status = b"200 OK"
        self.headers = b"content-type: application/jwk-set+json\r\n"
        self.wanted_token: str | None = None
        self.requests = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self._context)
        self._port = 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self._port}/openid/v1/jwks"

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["KeyServer"]:
        """Listen, on the same port if it listened before."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=self._context)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self.gate.set()
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            self.requests += 1
            await self.gate.wait()
            status, body = self.status, self.content
            if self.wanted_token and f"authorization: bearer {self.wanted_token}\r\n" not in head:
                status, body = b"401 Unauthorized", b"{}"
            writer.write(
                b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\nconnection: close\r\n\r\n"
                % (status, self.headers, len(body))
            )
            writer.write(body)
            await writer.drain()
        except (OSError, EOFError):
            return
        finally:
            writer.close()
