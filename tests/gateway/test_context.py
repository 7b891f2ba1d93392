"""What a request says beside its operation, and who it is said to be from."""

import pytest

from tests.gateway.client import Client
from tests.loopback import Loopback

SCALE = ("POST", "/memory/controllers/shop/hello", {"replicas": 3})


@pytest.mark.parametrize("key", ["a", "order 17/3", "~" * 255])
async def test_a_commands_key_goes_with_it(client: Client, loopback: Loopback, key: str) -> None:
    await client.send(*SCALE, headers=[("idempotency-key", key)])

    assert loopback.messages[0].headers["idempotency-key"] == key


@pytest.mark.parametrize("keys", [[""], ["~" * 256], ["caf\xe9"], ["tab\t"], ["one", "two"]])
async def test_a_key_that_cannot_be_kept_is_invalid(
    client: Client, loopback: Loopback, keys: list[str]
) -> None:
    answer = await client.send(*SCALE, headers=[("idempotency-key", key) for key in keys])

    assert (answer.status, answer.json()["code"]) == (400, "invalid")
    assert "1 to 255 printable ASCII characters" in answer.json()["message"]
    assert not loopback.messages


@pytest.mark.parametrize("key", ["a", "", "caf\xe9"])
async def test_a_query_needs_no_key_and_has_none(
    client: Client, loopback: Loopback, key: str
) -> None:
    answer = await client.get("/memory/machines/shop", headers=[("idempotency-key", key)])

    assert answer.status == 200
    assert "idempotency-key" not in loopback.messages[0].headers


async def test_whom_a_request_is_for_is_the_peer_whatever_its_headers_say(
    client: Client, loopback: Loopback
) -> None:
    forged = ["requested-by", "x-forwarded-for", "forwarded", "x-real-ip"]
    headers = [(name, "198.51.100.7") for name in forged]

    await client.get("/memory/machines/shop", headers=headers)
    await client.send(*SCALE, headers=headers)

    assert [each.headers["requested-by"] for each in loopback.messages] == ["127.0.0.1"] * 2


@pytest.mark.parametrize("traceparent", ["nonsense", "00-0af7-b7ad-01", ""])
async def test_what_is_no_trace_context_is_left_out(
    client: Client, loopback: Loopback, traceparent: str
) -> None:
    await client.get("/memory/machines/shop", headers=[("traceparent", traceparent)])

    assert "traceparent" not in loopback.messages[0].headers
