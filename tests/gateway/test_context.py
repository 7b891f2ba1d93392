"""The context of a request: idempotency key, requester and trace context."""

import pytest

from tests.gateway.client import Client
from tests.loopback import Loopback

SCALE = ("POST", "/memory/controllers/shop/hello", {"replicas": 3})


@pytest.mark.parametrize("key", ["a", "order 17/3", "~" * 255])
async def test_the_key_of_a_command_is_in_its_message(
    client: Client, loopback: Loopback, key: str
) -> None:
    await client.send(*SCALE, headers=[("idempotency-key", key)])

    assert loopback.messages[0].headers["idempotency-key"] == key


@pytest.mark.parametrize("keys", [[""], ["~" * 256], ["caf\xe9"], ["tab\t"], ["one", "two"]])
async def test_an_invalid_key_is_refused(
    client: Client, loopback: Loopback, keys: list[str]
) -> None:
    answer = await client.send(*SCALE, headers=[("idempotency-key", key) for key in keys])

    assert (answer.status, answer.json()["code"]) == (400, "invalid")
    assert "1 to 255 printable ASCII characters" in answer.json()["message"]
    assert not loopback.messages


@pytest.mark.parametrize("key", ["a", "", "caf\xe9"])
async def test_the_key_of_a_query_is_ignored(client: Client, loopback: Loopback, key: str) -> None:
    answer = await client.get("/memory/machines/shop", headers=[("idempotency-key", key)])

    assert answer.status == 200
    assert "idempotency-key" not in loopback.messages[0].headers


async def test_the_requester_is_the_peer_despite_forged_headers(
    client: Client, loopback: Loopback
) -> None:
    forged = ["requested-by", "x-forwarded-for", "forwarded", "x-real-ip"]
    headers = [(name, "198.51.100.7") for name in forged]

    await client.get("/memory/machines/shop", headers=headers)
    await client.send(*SCALE, headers=headers)

    assert [each.headers["requested-by"] for each in loopback.messages] == ["127.0.0.1"] * 2


@pytest.mark.parametrize("traceparent", ["nonsense", "00-0af7-b7ad-01", ""])
async def test_an_invalid_trace_context_is_dropped(
    client: Client, loopback: Loopback, traceparent: str
) -> None:
    await client.get("/memory/machines/shop", headers=[("traceparent", traceparent)])

    assert "traceparent" not in loopback.messages[0].headers


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("no-cache", 0.0),
        ("No-Cache", 0.0),
        ("no-store", 0.0),
        ("max-age=0", 0.0),
        ("max-age=30", 30.0),
        ('max-age="7", public', 7.0),
        ("max-age=30, no-cache", 0.0),
        ("max-age=-1", None),
        ("max-age=x", None),
        ("max-age", None),
        ("only-if-cached", None),
        ("", None),
    ],
)
async def test_cache_control_limits_the_age_of_an_answer(
    client: Client, loopback: Loopback, header: str, expected: float | None
) -> None:
    headers = [("cache-control", header)]
    await client.get("/memory/machines/shop", headers=headers)
    await client.send(*SCALE, headers=headers)

    assert [each.max_age_s for each in loopback.contexts] == [expected, None]
