"""TLS on the gateway's port: handshakes, client certificates, and files that change."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
import trustme

from gateway.http.server import OnRawPath
from tests.files import replace
from tests.gateway.certificates import HOST, Pki
from tests.gateway.echo import Echo
from tests.gateway.served import closed, exchange, request, serving, status_of

ONCE = request(b"GET / HTTP/1.1")
KEPT = b"GET / HTTP/1.1\r\nhost: gateway.test\r\n\r\n"
LARGE = 3_000_000


@pytest.fixture
def pki(tmp_path):
    return Pki(tmp_path)


@pytest.fixture
def app():
    return Echo()


@pytest.fixture
async def port(pki, app):
    """The port of a gateway with TLS."""
    async with serving(OnRawPath(app), tls=pki.contexts()) as (port, _):
        yield port


@pytest.fixture
async def mutual(pki, app):
    """The port of a gateway that requires client certificates."""
    async with serving(OnRawPath(app), tls=pki.contexts(mutual=True)) as (port, _):
        yield port


def only(version: ssl.TLSVersion, context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = context.maximum_version = version
    return context


async def refusal(port: int, context: ssl.SSLContext) -> str:
    """Return the alert with which the gateway refuses a client."""
    with pytest.raises(ssl.SSLError) as raised:
        await exchange(port, ONCE, tls=context)
    return str(raised.value.reason)


def served_certificate(port: int) -> bytes:
    """Return the certificate of the gateway in DER."""
    pem = ssl.get_server_certificate((HOST, port))
    return ssl.PEM_cert_to_DER_cert(pem)


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
async def test_large_requests_and_responses_pass_over_tls(pki, app, port, version):
    body = b"x" * LARGE
    length = b"content-length: %d" % LARGE
    sent = request(b"POST / HTTP/1.1", length, body=body)

    answer = await exchange(port, sent, tls=only(version, pki.client()))

    assert status_of(answer) == 200
    assert answer.endswith(b"\r\n\r\n" + body)
    assert app.scopes[0]["scheme"] == "https"
    assert app.tls["tls_version"] == version
    assert (app.tls["client_cert_name"], app.tls["client_cert_sans"]) == (None, [])


async def test_a_connection_over_tls_serves_several_requests_and_pipelines(pki, app, port):
    answer = await exchange(port, KEPT, KEPT * 2 + ONCE, tls=pki.client())

    assert answer.count(b"HTTP/1.1 200 OK") == 4
    assert len({scope["client"] for scope in app.scopes}) == 1


async def test_the_gateway_ends_a_connection_with_close_notify(pki, port):
    """Without this alert a client cannot tell the end of a response from an attack."""

    def read() -> bytes:
        with (
            closing(socket.create_connection((HOST, port))) as plain,
            pki.client().wrap_socket(
                plain, server_hostname=HOST, suppress_ragged_eofs=False
            ) as tls,
        ):
            tls.sendall(ONCE)
            parts = []
            while part := tls.recv(65536):
                parts.append(part)
            return b"".join(parts)

    assert status_of(await asyncio.to_thread(read)) == 200


async def test_bytes_that_are_no_tls_end_an_open_connection(pki, port):
    def garble() -> bytes:
        with (
            closing(socket.create_connection((HOST, port))) as plain,
            plain.dup() as beside,
            pki.client().wrap_socket(plain, server_hostname=HOST) as tls,
        ):
            tls.sendall(KEPT)
            answer: bytes = tls.recv(65536)
            beside.sendall(b"x" * 100)
            with pytest.raises(ssl.SSLError, match="ALERT"):
                tls.recv(65536)
        return answer

    assert status_of(await asyncio.to_thread(garble)) == 200


async def test_tls_1_1_is_refused(pki, port):
    context = pki.client()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.deprecated_call():
        only(ssl.TLSVersion.TLSv1_1, context)

    assert await refusal(port, context) == "TLSV1_ALERT_PROTOCOL_VERSION"


@pytest.mark.parametrize("size", [0, LARGE])
async def test_a_request_without_tls_is_400_and_names_https(port, size):
    """The response of a gateway that does not read the body would be lost by a reset."""
    answer = await exchange(port, ONCE, b"x" * size)

    assert status_of(answer) == 400
    problem = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])
    assert problem["message"] == "expected TLS, got other bytes: use a URL with https://"


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_application_learns_the_names_in_a_client_certificate(pki, app, mutual, version):
    certificate = pki.clients.issue_cert(
        "icc.example", "10.0.0.1", "me@example.org", common_name="icc", organization_name="a, b"
    )
    context = only(version, pki.client(certificate))

    for _ in range(2):
        assert status_of(await exchange(mutual, ONCE, tls=context)) == 200
        unit = app.tls["client_cert_name"].split(",")[1]
        assert app.tls["client_cert_name"] == rf"CN=icc,{unit},O=a\, b"
        assert app.tls["client_cert_sans"] == [
            "DNS:icc.example",
            "IP:10.0.0.1",
            "email:me@example.org",
        ]
        assert ssl.PEM_cert_to_DER_cert(app.tls["client_cert_chain"][0])


def without(pki: Pki) -> None:
    return None


def of_another_ca(pki: Pki) -> trustme.LeafCert:
    return trustme.CA().issue_cert("icc")


def of_a_server(pki: Pki) -> trustme.LeafCert:
    return pki.servers.issue_cert("icc")


def expired(pki: Pki) -> trustme.LeafCert:
    return pki.clients.issue_cert("icc", not_after=datetime.now(UTC) - timedelta(days=1))


REFUSED: dict[str, tuple[Callable[[Pki], trustme.LeafCert | None], str]] = {
    "no certificate": (without, "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
    "another CA": (of_another_ca, "TLSV1_ALERT_UNKNOWN_CA"),
    "expired": (expired, "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
    "a server's": (of_a_server, "TLSV1_ALERT_UNKNOWN_CA"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_client_without_a_valid_certificate_is_refused_with_an_alert(
    pki, app, mutual, caplog, name
):
    certificate, alert = REFUSED[name]

    assert await refusal(mutual, pki.client(certificate(pki))) == alert

    assert app.scopes == []
    assert sum("TLS handshake with 127.0.0.1 failed: " in text for text in caplog.messages) == 1


async def test_a_changed_certificate_is_used_for_new_connections_only(pki, app, port, caplog):
    caplog.set_level(logging.INFO, "gateway")
    reader, writer = await asyncio.open_connection(HOST, port, ssl=pki.client())
    writer.write(KEPT)
    await reader.readuntil(b"\r\n\r\n")

    new = pki.renew()

    assert await asyncio.to_thread(served_certificate, port) == new
    writer.write(ONCE)
    assert status_of(await reader.read()) == 200
    await closed(writer)
    assert f"PLT_TLS_CERT='{pki.cert}': the certificate is valid, from " in caplog.text


async def test_a_broken_new_file_keeps_the_former_certificate(pki, port, caplog):
    former = await asyncio.to_thread(served_certificate, port)

    replace(pki.key, trustme.CA().issue_cert(HOST).private_key_pem.bytes())
    for _ in range(3):
        assert await asyncio.to_thread(served_certificate, port) == former

    assert sum("the former value stays in use" in text for text in caplog.messages) == 1
    assert f"PLT_TLS_KEY='{pki.key}': expected the unencrypted key" in caplog.text


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_removed_client_ca_is_not_trusted_even_for_a_resumed_session(pki, mutual, version):
    context = only(version, pki.admitted())
    other = trustme.CA()

    def resumed(session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        with (
            closing(socket.create_connection((HOST, mutual))) as plain,
            context.wrap_socket(plain, server_hostname=HOST, session=session) as tls,
        ):
            tls.sendall(ONCE)
            assert tls.recv(12) == b"HTTP/1.1 200"
            assert tls.session_reused == (session is not None)
            return tls.session

    session = await asyncio.to_thread(resumed, None)
    session = await asyncio.to_thread(resumed, session)
    pki.trust_clients(other)

    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        await asyncio.to_thread(resumed, session)
    assert status_of(await exchange(mutual, ONCE, tls=pki.client(other.issue_cert("icc")))) == 200
