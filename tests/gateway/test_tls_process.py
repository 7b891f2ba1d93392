"""A gateway process with TLS, on uvloop: real clients, and a certificate renewed under load."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.certificates import HOST, Pki
from tests.gateway.served import closed, until
from tests.producers.page import needs

ROOT = Path(__file__).parents[2]
BOUND_S = 60
CONNECTIONS = 4
PAUSE_S = 0.02
"""Between two requests of a connection, so that the load leaves CPU for other tests."""

STATUS = b"GET /status HTTP/1.1\r\nhost: gateway.test\r\n\r\n"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def port(pki: Pki) -> Iterator[int]:
    """The port of a gateway without a broker that requires client certificates."""
    files = pki.files(mutual=True)
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PLT_")}
    configured = {
        "PLT_AMQP_URL": "amqp://127.0.0.1:1/",
        "PLT_PORT": "0",
        "PLT_METRICS_PORT": "off",
        "PLT_LOG_FORMAT": "json",
        "PLT_TLS_CERT": files.cert,
        "PLT_TLS_KEY": files.key,
        "PLT_TLS_CLIENT_CA": files.client_ca,
    }
    log = pki.cert.with_name("log")
    with log.open("wb") as output:
        gateway = subprocess.Popen(
            [sys.executable, "-m", "gateway"], cwd=ROOT, env=inherited | configured, stderr=output
        )
    try:
        yield _listening(log, gateway)
    finally:
        gateway.terminate()
        assert gateway.wait(BOUND_S) == 0


def _listening(log: Path, gateway: subprocess.Popen[bytes]) -> int:
    while gateway.poll() is None:
        found = re.search(r"listening on https://[^\s\"]*:(\d+)\"", log.read_text())
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise AssertionError(log.read_text())


@needs("curl")
def test_curl_is_served_with_a_client_certificate_and_refused_without(
    pki: Pki, port: int, tmp_path: Path
) -> None:
    leaf = pki.clients.issue_cert("icc.example")
    leaf.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    pki.servers.cert_pem.write_to_path(tmp_path / "ca.pem")

    def curl(*options: str) -> subprocess.CompletedProcess[str]:
        command = ["curl", "-sS", "--noproxy", "*", "--cacert", str(tmp_path / "ca.pem"), *options]
        return subprocess.run(command, capture_output=True, text=True, timeout=BOUND_S, check=False)

    served = curl("--cert", str(tmp_path / "client.pem"), f"https://{HOST}:{port}/status")
    refused = curl(f"https://{HOST}:{port}/status")
    plain = curl(f"http://{HOST}:{port}/status")

    assert (served.returncode, served.stderr) == (0, "")
    assert '"status":"ok"' in served.stdout
    assert refused.returncode != 0
    assert "certificate required" in refused.stderr
    assert "use a URL with https://" in plain.stdout


async def test_a_certificate_is_renewed_under_load_without_a_failed_request(
    pki: Pki, port: int
) -> None:
    tls = pki.admitted()
    served: set[bytes] = set()
    answers = 0

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answers
        writer.write(STATUS)
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 OK")
        answers += 1
        await asyncio.sleep(PAUSE_S)

    async def new_connections() -> None:
        while renewed not in served:
            reader, writer = await asyncio.open_connection(HOST, port, ssl=tls)
            await ask(reader, writer)
            served.add(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))
            await closed(writer)

    async def kept_connection() -> None:
        reader, writer = await asyncio.open_connection(HOST, port, ssl=tls)
        while renewed not in served:
            await ask(reader, writer)
        await ask(reader, writer)
        await closed(writer)

    async with asyncio.timeout(BOUND_S), asyncio.TaskGroup() as load:
        renewed = b""
        for _ in range(CONNECTIONS):
            load.create_task(kept_connection())
            load.create_task(new_connections())
        await until(lambda: served and answers > 20)
        renewed = pki.renew()

    assert len(served) == 2
