"""Keys from an HTTPS endpoint: rotation, failures of the endpoint, and many requests at once."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from contracts.faults import Code, Fault
from gateway.identity.json_web_tokens.endpoint import (
    PAUSE_S,
    KeyEndpoint,
    RemoteKeys,
)
from gateway.identity.json_web_tokens.verifier import JsonWebTokens
from gateway.identity.refused import Refused
from gateway.identity.requester import Subject
from gateway.identity.watched_file import FILE_LIMIT
from tests.gateway.served import until
from tests.identity.guarded import EXPECTED, Guarded, bearer, by_keys, rights_of, rule
from tests.identity.issuers import Issuer, key_set
from tests.identity.key_server import KeyServer

OLD, NEW = Issuer("old"), Issuer("new")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def server(authority: trustme.CA) -> KeyServer:
    return KeyServer(authority, key_set(OLD))


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "ca.crt"
    authority.cert_pem.write_to_path(path)
    return str(path)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Remote:
    """Keys behind an endpoint, and the verifier with them."""

    def __init__(self, endpoint: KeyEndpoint, fetch_s: float) -> None:
        self.clock = Clock()
        self.keys = RemoteKeys(endpoint, now=self.clock, fetch_s=fetch_s)
        self.tokens = JsonWebTokens(self.keys, EXPECTED)

    async def refusal(self, token: str) -> str:
        """Return why a token is refused."""
        with pytest.raises(Refused) as raised:
            await self.tokens.verify(token)
        return raised.value.message

    def wait_out_the_pause(self) -> None:
        """Let another fetch be allowed."""
        self.clock.seconds += PAUSE_S


@asynccontextmanager
async def remote(
    server: KeyServer, ca: str, token_file: str = "", fetch_s: float = 30.0
) -> AsyncIterator[Remote]:
    """Keep the keys of a server up to date in the background."""
    keys = Remote(KeyEndpoint(server.url, ca, token_file), fetch_s)
    running = asyncio.create_task(keys.keys.run())
    try:
        yield keys
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_new_key_is_fetched_when_a_token_names_it(server: KeyServer, ca: str) -> None:
    async with server.serving(), remote(server, ca) as keys:
        assert await keys.tokens.verify(OLD.token()) == Subject("ci")
        server.content = key_set(OLD, NEW)
        keys.wait_out_the_pause()

        assert await keys.tokens.verify(NEW.token()) == Subject("ci")
        assert await keys.tokens.verify(OLD.token()) == Subject("ci")

    assert server.requests == 2


async def test_a_key_that_is_no_longer_published_is_not_accepted(
    server: KeyServer, ca: str
) -> None:
    async with server.serving(), remote(server, ca) as keys:
        token = OLD.token()
        await keys.tokens.verify(token)
        server.content = key_set(NEW)
        keys.wait_out_the_pause()
        await keys.tokens.verify(NEW.token())

        assert "does not publish" in await keys.refusal(token)


async def test_many_tokens_with_unknown_keys_cause_one_fetch(server: KeyServer, ca: str) -> None:
    async with server.serving(), remote(server, ca) as keys:
        await keys.tokens.verify(OLD.token())
        forged = [Issuer(f"unknown-{number}").token() for number in range(30)]
        keys.wait_out_the_pause()

        refusals = await asyncio.gather(*(keys.refusal(token) for token in forged))
        refusals += [await keys.refusal(token) for token in forged]

    assert {each.partition(" ")[0] for each in refusals} == {"the"}
    assert server.requests == 2


async def test_requests_with_known_keys_do_not_wait_for_a_fetch(server: KeyServer, ca: str) -> None:
    async with server.serving(), remote(server, ca) as keys:
        await keys.tokens.verify(OLD.token())
        server.gate.clear()
        keys.wait_out_the_pause()
        waiting = asyncio.create_task(keys.refusal(NEW.token()))
        await until(lambda: server.requests == 2)

        for number in range(10):
            assert await keys.tokens.verify(OLD.token(f"ci-{number}")) == Subject(f"ci-{number}")
        assert not waiting.done()

        server.gate.set()
        assert "does not publish" in await waiting


async def test_the_last_keys_are_used_while_the_endpoint_is_down(
    server: KeyServer, ca: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with server.serving():
        keys = Remote(KeyEndpoint(server.url, ca), 30.0)
        running = asyncio.create_task(keys.keys.run())
        await keys.tokens.verify(OLD.token())
    keys.wait_out_the_pause()
    assert "does not publish" in await keys.refusal(NEW.token())
    keys.wait_out_the_pause()
    assert "does not publish" in await keys.refusal(NEW.token())

    assert await keys.tokens.verify(OLD.token("other")) == Subject("other")

    errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "the former keys stay in force" in errors[0]
    server.content = key_set(NEW)
    keys.wait_out_the_pause()
    async with server.serving():
        assert await keys.tokens.verify(NEW.token()) == Subject("ci")
    running.cancel()


async def test_without_keys_a_request_is_answered_503(
    server: KeyServer, ca: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server.status = b"500 Internal Server Error"
    async with server.serving(), remote(server, ca) as keys:
        guarded = Guarded(by_keys(keys.keys), rights_of(tmp_path, rule("ci")))
        unavailable = await guarded.client.get("/memory/machines/shop", headers=bearer(OLD.token()))
        page = await guarded.client.get("/ready", headers=bearer(OLD.token()))
        malformed = await guarded.client.get("/memory/machines/shop", headers=bearer("a.b.c"))
        server.status = b"200 OK"
        keys.wait_out_the_pause()
        available = await guarded.client.get("/memory/machines/shop", headers=bearer(OLD.token()))

    assert [unavailable.status, page.status, malformed.status] == [503, 503, 401]
    assert unavailable.json()["code"] == Code.IDENTITY_UNAVAILABLE
    assert unavailable.headers["retry-after"] == "1"
    assert available.status == 200
    assert "expected the status 200, got 500; requests with JSON Web Tokens" in caplog.text


WRONG = {
    "a redirect": (b"302 Found", b"location: https://attacker.test/\r\n", b"", "got 302"),
    "no JSON": (b"200 OK", b"", b"<html>", "expected a JSON Web Key Set"),
    "no keys": (b"200 OK", b"", b'{"keys": []}', "expected at least one key"),
    "an oversized body": (
        b"200 OK",
        b"",
        b" " * (FILE_LIMIT + 1),
        "expected at most 1048576 bytes",
    ),
    "a compressed body": (b"200 OK", b"content-encoding: gzip\r\n", b"\x1f\x8b", "JSON Web Key"),
}


@pytest.mark.parametrize(("status", "headers", "content", "reason"), WRONG.values(), ids=WRONG)
async def test_a_wrong_response_of_the_endpoint_is_named_in_the_log(
    server: KeyServer,
    ca: str,
    caplog: pytest.LogCaptureFixture,
    status: bytes,
    headers: bytes,
    content: bytes,
    reason: str,
) -> None:
    server.status, server.headers, server.content = status, headers, content
    async with server.serving(), remote(server, ca) as keys:
        with pytest.raises(Fault) as raised:
            await keys.tokens.verify(OLD.token())

    assert raised.value.code is Code.IDENTITY_UNAVAILABLE
    assert f"PLT_JWT_JWKS={server.url}: " in caplog.text
    assert reason in caplog.text


async def test_an_endpoint_that_does_not_respond_is_given_up(server: KeyServer, ca: str) -> None:
    server.gate.clear()
    async with server.serving(), remote(server, ca, fetch_s=0.2) as keys:
        with pytest.raises(Fault) as raised:
            await keys.tokens.verify(OLD.token())

    assert raised.value.code is Code.IDENTITY_UNAVAILABLE


async def test_an_endpoint_with_a_certificate_of_another_authority_is_not_trusted(
    server: KeyServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "other.crt"
    trustme.CA().cert_pem.write_to_path(path)
    async with server.serving(), remote(server, str(path)) as keys:
        with pytest.raises(Fault):
            await keys.tokens.verify(OLD.token())

    assert server.requests == 0
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


def renew(path: Path) -> None:
    """Write a file again with another size."""
    path.write_bytes(path.read_bytes() + b"\n")


async def test_the_token_for_the_endpoint_and_its_authorities_are_read_for_each_fetch(
    server: KeyServer, ca: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The kubelet replaces the token of a pod about once per hour."""
    path = tmp_path / "token"
    path.write_text("first\n")
    server.wanted_token = "first"
    async with server.serving(), remote(server, ca, str(path)) as keys:
        await keys.tokens.verify(OLD.token())
        server.content, server.wanted_token = key_set(NEW), "second"
        keys.wait_out_the_pause()
        assert "does not publish" in await keys.refusal(NEW.token())
        path.write_text("second\n")
        renew(Path(ca))
        keys.wait_out_the_pause()

        assert await keys.tokens.verify(NEW.token()) == Subject("ci")

    assert "got 401; the former keys stay in force" in caplog.text
    assert "first" not in caplog.text
    assert "second" not in caplog.text


@pytest.mark.parametrize(("no_proxy", "fetched"), [("localhost", True), ("other.test", False)])
async def test_the_proxies_of_the_environment_apply(
    server: KeyServer, ca: str, monkeypatch: pytest.MonkeyPatch, no_proxy: str, fetched: bool
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    async with server.serving(), remote(server, ca) as keys:
        if fetched:
            assert await keys.tokens.verify(OLD.token()) == Subject("ci")
            return
        with pytest.raises(Fault):
            await keys.tokens.verify(OLD.token())

    assert server.requests == 0
