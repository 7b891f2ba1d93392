"""Proxies for HTTP, TLS and SOCKS5, and TLS servers with other certificates."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import trustme

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


@asynccontextmanager
async def listening(
    serve: Callable[[Reader, Writer], Awaitable[None]], tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Serve connections on a loopback port, and close all of them at the end of the context."""
    tasks: set[asyncio.Task[None]] = set()
    writers: list[Writer] = []

    async def tracked(reader: Reader, writer: Writer) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        writers.append(writer)
        try:
            await serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(tracked, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            await aborted(writer)


async def aborted(writer: Writer) -> None:
    """Abort a connection without a TLS shutdown."""
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


async def relayed(near: tuple[Reader, Writer], far: tuple[Reader, Writer]) -> None:
    """Relay bytes in both directions until both ends have closed."""
    try:
        await asyncio.gather(_pump(near[0], far[1]), _pump(far[0], near[1]))
    finally:
        await aborted(far[1])


async def _pump(reader: Reader, writer: Writer) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def proxy_to(
    url: str, refusal: bytes | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[str]]]:
    """Run an HTTP proxy that connects every client to one server; yield its URL and requests."""
    target = urlsplit(url)
    asked: list[str] = []

    async def serve(reader: Reader, writer: Writer) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.split(b"\r\n")[0].decode())
        if refusal is not None:
            writer.write(refusal)
            return
        far = await asyncio.open_connection(target.hostname, target.port)
        writer.write(ESTABLISHED)
        await relayed((reader, writer), far)

    async with listening(serve, tls) as port:
        yield f"{'https' if tls else 'http'}://user:secret@127.0.0.1:{port}", asked


@asynccontextmanager
async def socks_to(
    url: str, login: tuple[str, str] | None = None, refusal: int = 0
) -> AsyncIterator[tuple[int, list[str]]]:
    """Run a SOCKS5 proxy that connects every client to one server; yield its port and requests."""
    target = urlsplit(url)
    asked: list[str] = []

    async def serve(reader: Reader, writer: Writer) -> None:
        version, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        assert version == 5
        method = 0 if login is None else 2
        writer.write(bytes([5, method if method in methods else 255]))
        if method not in methods:
            return
        if login is not None:
            _, size = await reader.readexactly(2)
            user = await reader.readexactly(size)
            password = await reader.readexactly((await reader.readexactly(1))[0])
            known = (user.decode(), password.decode()) == login
            writer.write(bytes([1, 0 if known else 1]))
            if not known:
                return
        kind = (await reader.readexactly(4))[3]
        size = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        host = await reader.readexactly(size)
        port = int.from_bytes(await reader.readexactly(2))
        asked.append(f"{host.decode() if kind == 3 else host.hex()}:{port}")
        writer.write(bytes([5, refusal, 0, 1]) + bytes(6))
        if refusal == 0:
            far = await asyncio.open_connection(target.hostname, target.port)
            await relayed((reader, writer), far)

    async with listening(serve) as port:
        yield port, asked


@asynccontextmanager
async def certified(url: str, trust: ssl.SSLContext, leaf: trustme.LeafCert) -> AsyncIterator[str]:
    """Serve the API server with another certificate, presented without its issuers."""
    target = urlsplit(url)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as folder:
        certificate, key = Path(folder, "certificate"), Path(folder, "key")
        leaf.cert_chain_pems[0].write_to_path(certificate)
        leaf.private_key_pem.write_to_path(key)
        context.load_cert_chain(certificate, key)

    async def serve(reader: Reader, writer: Writer) -> None:
        far = await asyncio.open_connection(target.hostname, target.port, ssl=trust)
        await relayed((reader, writer), far)

    async with listening(serve, context) as port:
        yield f"https://127.0.0.1:{port}"
