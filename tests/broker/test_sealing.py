"""Promise 6 on the broker: request bodies that may hold secrets are sealed."""

import base64
import os

import httpx

from deploy.rabbitmq.node import RabbitNode
from tests.stack import Gateway, Stack, eventually

CANARY = "canary-7f3a"


def key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def put_secret(gateway: Gateway) -> httpx.Response:
    """Apply a Secret that contains the canary."""
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "pull"},
        "stringData": {"password": CANARY},
    }
    return gateway.http.put("/k8s/secrets/default", json=manifest)


def stack_with(stack: Stack, sealing: str, opening: str) -> Gateway:
    """Start a gateway and a worker with their seal keys."""
    stack.worker(PLT_SEAL_KEY=opening)
    gateway = stack.gateway(PLT_SEAL_KEY=sealing)
    eventually(lambda: gateway.attended_by(1), what="the worker is attached")
    return gateway


def recent_bodies(stack: Stack, rabbit: RabbitNode) -> list[str]:
    """Return the bodies of `machinist.recent` as the management UI shows them."""
    host = stack.amqp_url.rpartition("/")[2]
    answer = httpx.post(
        f"{rabbit.management_url}/api/queues/{host}/machinist.recent/get",
        json={"count": 50, "ackmode": "ack_requeue_true", "encoding": "auto"},
        auth=(rabbit.user, rabbit.password),
        trust_env=False,
    )
    messages = answer.raise_for_status().json()
    return [
        base64.b64decode(m["payload"]).decode("latin-1")
        if m["payload_encoding"] == "base64"
        else m["payload"]
        for m in messages
    ]


def test_a_secret_reaches_the_platform_and_is_unreadable_for_operators(
    stack: Stack, rabbit: RabbitNode
) -> None:
    shared = key()
    gateway = stack_with(stack, sealing=shared, opening=f"{key()},{shared}")

    answer = put_secret(gateway)

    assert answer.status_code == 200
    assert CANARY not in answer.text
    arrived = base64.b64encode(CANARY.encode())
    writes = [call.body or b"" for call in stack.sandbox.calls.writes()]
    assert any(arrived in body for body in writes), "the secret is not on the platform"
    eventually(lambda: recent_bodies(stack, rabbit), what="the command is recorded")
    assert not any(CANARY in body for body in recent_bodies(stack, rabbit))


def test_a_worker_with_another_key_refuses_and_names_the_setting(stack: Stack) -> None:
    gateway = stack_with(stack, sealing=key(), opening=key())

    answer = put_secret(gateway)

    assert (answer.status_code, answer.json()["code"]) == (403, "seal_not_opened")
    assert "PLT_SEAL_KEY" in answer.json()["message"]
    assert stack.sandbox.calls.writes() == []


def test_a_gateway_without_a_key_refuses_a_secret(stack: Stack, rabbit: RabbitNode) -> None:
    gateway = stack_with(stack, sealing="", opening="")

    answer = put_secret(gateway)

    assert (answer.status_code, answer.json()["code"]) == (501, "sealing_not_configured")
    assert stack.sandbox.calls.writes() == []
    assert recent_bodies(stack, rabbit) == []
