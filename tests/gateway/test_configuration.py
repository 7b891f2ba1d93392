"""Invalid configuration: exit status 2, and a message with variable, value and expectation."""

import base64
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.forking import REPOSITORY, finish

EXIT_S = 100
SECRET = "hunter2"

BROKER = {"PLT_AMQP_URL": f"amqp://guest:{SECRET}@127.0.0.1:1/"}
SHORT_KEY = base64.b64encode(bytes(16)).decode()
PEM = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nhunter2\n").decode()
A_NUMBER = "a whole number from 1 to"

# The variable, an invalid value, true if the message shows the value, and a part of the message.
OF_BOTH = [
    ("PLT_AMQP_URL", "", False, "one or more URLs such as amqp://"),
    ("PLT_AMQP_URL", f"http://guest:{SECRET}@broker.test/", False, "amqp://user:password@host"),
    ("PLT_AMQP_URL", f"amqp://guest:{SECRET}@broker.test:port/", False, "amqp://user:password@host"),
    ("PLT_AMQP_URL", "amqp://broker.test:70000", False, "amqp://user:password@host"),
    ("PLT_AMQP_URL", f"amqps://guest:{SECRET}@127.0.0.1:1/?cafile=/no/such/file", False,
     "cafile=/no/such/file: expected a file"),
    ("PLT_SEAL_KEY", SECRET, False, "Base64 of 32 bytes"),
    ("PLT_SEAL_KEY", SHORT_KEY, False, "got 16 bytes"),
    ("PLT_SEAL_KEY_FILE", "/no/such/key", True, "a file that can be read: No such file"),
    ("PLT_LOGGER_LEVEL", "loud", True, "trace, debug, info"),
    ("PLT_LOG_FORMAT", "xml", True, "auto, json or text"),
    ("PLT_METRICS_PORT", "http", True, "a port from 0 to 65535, or off"),
    ("PLT_METRICS_HOST", "a b", True, "an address"),
    ("PLT_METRICS_HOST", "192.0.2.1", True, "an address of this machine"),
]  # fmt: skip
OF_A_GATEWAY = [
    ("PLT_PORT", "http", True, "a port from 0 to 65535"),
    ("PLT_PORT", "70000", True, "a port from 0 to 65535"),
    ("PLT_HOST", "a b", True, "an address"),
    ("PLT_HOST", "192.0.2.1", True, "an address of this machine"),
    ("PLT_HOST", "0.0.0.0", True, "a loopback address"),
    ("PLT_AUTH", "basic", True, "none, token, jwt or token,jwt"),
    ("PLT_AUTH", "token", True, "PLT_AUTH_TOKENS is not set"),
    ("PLT_ALLOW_ANONYMOUS", "perhaps", True, "true or false"),
    ("PLT_TRUSTED_PROXIES", "proxy", True, "addresses and networks"),
    ("PLT_PROVIDERS", "k8s,K8S", False, "'K8S' is invalid"),
    ("PLT_PROVIDERS", "status", True, "'status' is invalid or reserved"),
    ("PLT_DEADLINE_MS", "5s", True, "milliseconds from 500"),
    ("PLT_IN_FLIGHT", "0", True, A_NUMBER),
    ("PLT_MAX_BODY_BYTES", "1MB", True, A_NUMBER),
    ("PLT_CONNECTIONS", "0", True, A_NUMBER),
    ("PLT_ACCESS_LOG", "perhaps", True, "true or false"),
    ("PLT_HELD_BYTES", "64MB", True, "bytes, a whole number from 1000000"),
    ("PLT_TLS_CERT", "/no/such/tls.crt", True, "a file that can be read: No such file"),
    ("PLT_DRAIN_SECONDS", "10s", True, "seconds from 0 to 3600"),
]
OF_A_WORKER = [
    ("PLT_PROVIDER", "nomad", True, "one of ecs, k8s"),
    ("PLT_PROVIDER_NAME", "K8S", True, "lower-case letters"),
    ("PLT_PROVIDER_NAME", "queries", True, "no reserved word of paths or queues"),
    ("PLT_CONCURRENCY", "many", True, A_NUMBER),
    ("PLT_GRACE_SECONDS", "-1", True, "seconds from 1 to 3600"),
    ("PLT_K8S_REST_API_URL", "kubernetes", True, "a URL such as https://"),
    ("PLT_K8S_REST_API_URL", "https://kubernetes:port", False, "a URL such as https://"),
    ("PLT_K8S_AUTH_TYPE", "password", True, "token, client-cert or none"),
    ("PLT_K8S_TOKEN_PATH", "/no/such/token", True, "a readable file with a token"),
    ("PLT_K8S_CA_PATH", "/no/such/ca.crt", True, "a readable file with PEM"),
    ("PLT_K8S_ALLOW_SELFSIGNED_CERT", "perhaps", True, "true or false"),
    ("PLT_K8S_CLIENT_CERT", SECRET, False, "PEM in base64"),
    ("PLT_K8S_CLIENT_KEY", SECRET, False, "PEM in base64"),
    ("PLT_K8S_CONCURRENCY", "0", True, A_NUMBER),
    ("PLT_K8S_CONNECT_TIMEOUT_MS", "soon", True, "milliseconds"),
]


CASES = {"gateway": OF_BOTH + OF_A_GATEWAY, "worker": OF_BOTH + OF_A_WORKER}

Wrong = tuple[str, str, bool, str]


def environment(process: str, wrong: Wrong, token: Path) -> dict[str, str]:
    """Return the environment of a process with one invalid variable."""
    variable, value, _, _ = wrong
    if process == "gateway":
        return BROKER | {
            "PLT_PORT": "0",
            "PLT_TLS_KEY": "/dev/null" if "TLS" in variable else "",
            variable: value,
        }
    unencrypted = {"PLT_K8S_REST_API_URL": "http://127.0.0.1:1", "PLT_K8S_TOKEN_PATH": str(token)}
    https = unencrypted | {"PLT_K8S_REST_API_URL": "https://127.0.0.1:1"}
    certified = https | {
        "PLT_K8S_ALLOW_SELFSIGNED_CERT": "true",
        "PLT_K8S_AUTH_TYPE": "client-cert",
        "PLT_K8S_CLIENT_CERT": PEM,
    }
    particular = {
        "PLT_K8S_CA_PATH": https,
        "PLT_K8S_REST_API_URL": unencrypted | {"PLT_K8S_ALLOW_SELFSIGNED_CERT": "true"},
        "PLT_K8S_CLIENT_CERT": certified,
        "PLT_K8S_CLIENT_KEY": certified,
    }
    return BROKER | particular.get(variable, unencrypted) | {variable: value}


def inherited() -> dict[str, str]:
    """Return the variables of this process without `PLT_*`."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PLT_")}


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a token."""
    file = tmp_path_factory.mktemp("configuration") / "token"
    file.write_text("token")
    return file


@pytest.mark.parametrize(
    ("process", "wrong"),
    [(process, wrong) for process, cases in CASES.items() for wrong in cases],
    ids=lambda value: value if isinstance(value, str) else f"{value[0]}={value[1]}",
)
def test_a_process_names_an_invalid_variable_and_exits(token, process, wrong):
    variable, value, shown, message = wrong

    ended = finish(process, environment=inherited() | environment(process, wrong, token))

    assert ended.returncode == 2, ended.stderr
    assert f"{process}: {variable}" in ended.stderr
    assert "expected" in ended.stderr
    assert message in ended.stderr
    assert not shown or value in ended.stderr
    assert SECRET not in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("process", ["gateway", "worker"])
def test_a_process_names_every_invalid_variable_at_once(process):
    """The interpreter is started as in production."""
    ended = subprocess.run(
        [sys.executable, "-m", process],
        cwd=REPOSITORY,
        env=inherited() | {"PLT_LOGGER_LEVEL": "loud"},
        capture_output=True,
        text=True,
        timeout=EXIT_S,
        check=False,
    )

    assert ended.returncode == 2
    lines = ended.stderr.splitlines()
    assert lines[0].startswith(f"{process}: PLT_AMQP_URL is not set: expected one or more URLs")
    assert lines[1].startswith("PLT_LOGGER_LEVEL='loud': expected trace, debug, info")


def test_a_port_in_use_is_named_in_the_error():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = finish("gateway", environment=inherited() | BROKER | {"PLT_PORT": port})

    assert ended.returncode == 2
    assert f"PLT_PORT={port}: expected" in ended.stderr
