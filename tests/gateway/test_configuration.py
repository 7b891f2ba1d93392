"""Wrong configuration: the process exits with 2 and names variable, value and what is expected."""

import asyncio
import base64
import os
import socket
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXIT_S = 60
SECRET = "hunter2"

BROKER = {"PLT_AMQP_URL": f"amqp://guest:{SECRET}@127.0.0.1:1/"}
SHORT_KEY = base64.b64encode(bytes(16)).decode()
PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nhunter2\n").decode()
A_NUMBER = "a whole number from 1 to"

# The variable, its wrong value, whether that may be shown, and words of what is expected.
OF_BOTH = [
    ("PLT_AMQP_URL", "", False, "one or more URLs such as amqp://"),
    ("PLT_AMQP_URL", f"http://guest:{SECRET}@broker.test/", False, "amqp://user:password@host"),
    ("PLT_AMQP_URL", f"amqp://guest:{SECRET}@broker.test:port/", False, "amqp://user:password@host"),
    ("PLT_AMQP_URL", "amqp://broker.test:70000", True, "amqp://user:password@host"),
    ("PLT_SEAL_KEY", SECRET, False, "Base64 of 32 bytes"),
    ("PLT_SEAL_KEY", SHORT_KEY, False, "got 16 bytes"),
    ("PLT_LOGGER_LEVEL", "loud", True, "trace, debug, info"),
]  # fmt: skip
OF_A_GATEWAY = [
    ("PLT_PORT", "http", True, "a port from 0 to 65535"),
    ("PLT_PORT", "70000", True, "a port from 0 to 65535"),
    ("PLT_HOST", "a b", True, "an address"),
    ("PLT_HOST", "192.0.2.1", True, "an address of this machine"),
    ("PLT_PROVIDERS", "k8s,K8S", True, "'K8S' is none"),
    ("PLT_PROVIDERS", "status", True, "'status' is none or reserved"),
    ("PLT_DEADLINE_MS", "5s", True, "milliseconds from 100"),
    ("PLT_IN_FLIGHT", "0", True, A_NUMBER),
    ("PLT_MAX_BODY_BYTES", "1MB", True, A_NUMBER),
]
OF_A_WORKER = [
    ("PLT_PROVIDER", "nomad", True, "one of k8s"),
    ("PLT_PROVIDER_NAME", "K8S", True, "lower-case letters"),
    ("PLT_PROVIDER_NAME", "queries", True, "no word that paths or queues are named by"),
    ("PLT_CONCURRENCY", "many", True, A_NUMBER),
    ("PLT_GRACE_SECONDS", "-1", True, "seconds from 1 to 3600"),
    ("PLT_K8S_REST_API_URL", "kubernetes", True, "a URL such as https://"),
    ("PLT_K8S_REST_API_URL", "https://kubernetes:port", False, "a URL such as https://"),
    ("PLT_K8S_AUTH_TYPE", "password", True, "token or client-cert"),
    ("PLT_K8S_TOKEN_PATH", "/no/such/token", True, "a readable file with a token"),
    ("PLT_K8S_CA_PATH", "/no/such/ca.crt", True, "a readable file with PEM"),
    ("PLT_K8S_ALLOW_SELFSIGNED_CERT", "perhaps", True, "true or false"),
    ("PLT_K8S_CLIENT_CERT", SECRET, False, "PEM in base64"),
    ("PLT_K8S_CLIENT_KEY", SECRET, False, "PEM in base64"),
    ("PLT_K8S_CONCURRENCY", "0", True, A_NUMBER),
    ("PLT_K8S_CONNECT_TIMEOUT_MS", "soon", True, "milliseconds"),
]


async def run(process: str, environment: dict[str, str]) -> tuple[int | None, str]:
    """How a process ends that is configured with this alone, and what it says."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PLT_")}
    running = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        process,
        cwd=ROOT,
        env=inherited | environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(EXIT_S):
            _, said = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    return running.returncode, said.decode()


def worker_environment(folder: Path) -> dict[str, str]:
    """What a worker needs, with nothing wrong in it."""
    token = folder / "token"
    token.write_text("token")
    return BROKER | {"PLT_K8S_REST_API_URL": "http://127.0.0.1:1", "PLT_K8S_TOKEN_PATH": str(token)}


async def assert_told(
    process: str, environment: dict[str, str], variable: str, value: str, shown: bool, said: str
) -> None:
    code, words = await run(process, environment)

    assert code == 2, words
    assert words.startswith(f"{process}: {variable}")
    assert "expected" in words
    assert said in words
    assert not shown or value in words
    assert SECRET not in words
    assert "Traceback" not in words


@pytest.mark.parametrize(("variable", "value", "shown", "said"), OF_BOTH + OF_A_GATEWAY)
async def test_a_gateway_says_what_is_wrong_with(variable, value, shown, said):
    environment = BROKER | {"PLT_PORT": "0"} | {variable: value}

    await assert_told("gateway", environment, variable, value, shown, said)


@pytest.mark.parametrize(("variable", "value", "shown", "said"), OF_BOTH + OF_A_WORKER)
async def test_a_worker_says_what_is_wrong_with(tmp_path, variable, value, shown, said):
    environment = worker_environment(tmp_path)
    if variable == "PLT_K8S_CA_PATH":
        environment["PLT_K8S_REST_API_URL"] = "https://127.0.0.1:1"
    if variable.startswith("PLT_K8S_CLIENT"):
        environment["PLT_K8S_REST_API_URL"] = "https://127.0.0.1:1"
        environment["PLT_K8S_ALLOW_SELFSIGNED_CERT"] = "true"
        environment["PLT_K8S_AUTH_TYPE"] = "client-cert"
        environment["PLT_K8S_CLIENT_CERT"] = PEM

    await assert_told("worker", environment | {variable: value}, variable, value, shown, said)


async def test_every_wrong_variable_is_named_at_once():
    code, words = await run("gateway", {"PLT_PORT": "http", "PLT_IN_FLIGHT": "-1"})

    assert code == 2
    for expected in ("PLT_AMQP_URL is not set", "PLT_PORT='http'", "PLT_IN_FLIGHT='-1'"):
        assert expected in words


async def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        await assert_told("gateway", BROKER | {"PLT_PORT": port}, "PLT_HOST", port, True, "free")
