"""Secrets in files are rotated while gateway and worker run."""

import base64
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.broker.test_sealing import CANARY, put_secret
from tests.files import replace
from tests.stack import Gateway, Stack, eventually

CONNECTIONS = 4
"""Two of a gateway, two of a worker."""


@pytest.fixture
def login(stack: Stack, management: httpx.Client) -> Callable[[str], str]:
    """Return a function that sets the password of a user, and returns the URL with it."""
    address, _, host = stack.amqp_url.rpartition("/")
    rights = {"configure": ".*", "write": ".*", "read": ".*"}

    def set_password(password: str) -> str:
        user = {"password": password, "tags": ""}
        management.put(f"/users/{host}", json=user).raise_for_status()
        management.put(f"/permissions/{host}/{host}", json=rights).raise_for_status()
        return f"amqp://{host}:{password}@{address.rpartition('@')[2]}/{host}"

    return set_password


def close_connections(stack: Stack, management: httpx.Client) -> None:
    """Close all connections to the virtual host, when the management API lists them."""
    host = stack.amqp_url.rpartition("/")[2]

    def listed() -> list[str]:
        found = management.get(f"/vhosts/{host}/connections").raise_for_status().json()
        return [each["name"] for each in found]

    eventually(lambda: len(listed()) == CONNECTIONS, what="all connections are listed")
    for name in listed():
        management.delete(f"/connections/{name}").raise_for_status()


def attached(stack: Stack, **variables: str) -> Gateway:
    """Start a gateway and a worker, and wait until the worker is attached."""
    stack.worker(**variables)
    gateway = stack.gateway(**variables)
    eventually(lambda: gateway.attended_by(1), what="the worker is attached")
    return gateway


def test_a_password_is_rotated_without_a_restart(
    stack: Stack,
    management: httpx.Client,
    login: Callable[[str], str],
    tmp_path: Path,
) -> None:
    """The broker refuses logins until the file is changed: the file is read before each login."""
    file = replace(tmp_path / "url", login("first-canary") + "\n")
    gateway = attached(stack, PLT_AMQP_URL="", PLT_AMQP_URL_FILE=str(file))
    since = gateway.ready()["broker"]

    changed = login("second-canary")
    close_connections(stack, management)
    eventually(lambda: "refused" in str(gateway.ready()["broker"]), what="the login is refused")
    replace(file, changed)

    eventually(lambda: gateway.ready()["broker"] != since, what="the gateway has connected again")
    eventually(
        lambda: gateway.get("/k8s/machines/default").status_code == 200,
        what="the worker has connected again",
    )
    logs = "".join(each.read_text() for each in tmp_path.glob("*.log"))
    assert "canary" not in logs


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def test_seal_keys_are_rotated_without_a_restart(stack: Stack, tmp_path: Path) -> None:
    """Each process reads its file by itself, so one of them is always first."""
    old, new = key(), key()
    gateways, workers = tmp_path / "gateway-key", tmp_path / "worker-key"
    for file in (gateways, workers):
        replace(file, old)
    stack.worker(PLT_SEAL_KEY_FILE=str(workers))
    gateway = stack.gateway(PLT_SEAL_KEY_FILE=str(gateways))
    eventually(lambda: gateway.attended_by(1), what="the worker is attached")
    assert put_secret(gateway).status_code == 200

    replace(gateways, "half a key")
    assert put_secret(gateway).status_code == 200
    replace(workers, f"{old},{new}")
    assert put_secret(gateway).status_code == 200
    replace(gateways, f"{new},{old}")
    assert put_secret(gateway).status_code == 200
    replace(workers, new)
    replace(gateways, new)
    eventually(lambda: put_secret(gateway).status_code == 200, what="the old key is not used")

    assert CANARY.encode() not in b"".join(each.read_bytes() for each in tmp_path.glob("*.log"))
