"""The requester of a request: the peer of the connection, over a real socket."""

import pytest

from tests.gateway.served import exchange, request, served, status_of
from tests.loopback import gateway_over

ELSEWHERE = b"198.51.100.7"
FORGED = {
    "x-forwarded-for": b"x-forwarded-for: " + ELSEWHERE,
    "several proxies": b"x-forwarded-for: " + ELSEWHERE + b", 127.0.0.1, ::1",
    "a port": b"x-forwarded-for: " + ELSEWHERE + b":4711",
    "not an address": b"X-Forwarded-For: the-boss",
    "forwarded": b"forwarded: for=" + ELSEWHERE + b";proto=https",
    "x-real-ip": b"x-real-ip: " + ELSEWHERE,
    "requested-by": b"requested-by: the-boss",
    "x-forwarded-user": b"x-forwarded-user: the-boss",
}


@pytest.mark.parametrize("trusted", [None, "*"])
@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
async def test_no_header_changes_the_requester_in_the_audit(
    loopback, memory, monkeypatch, forged, trusted
):
    """Uvicorn trusts X-Forwarded-For of loopback peers and of `FORWARDED_ALLOW_IPS`."""
    if trusted is not None:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", trusted)
    memory.controllers["shop", "hello"] = {"metadata": {"name": "hello"}, "spec": {"replicas": 1}}
    command = request(
        b"POST /memory/controllers/shop/hello HTTP/1.1",
        b"content-type: application/json",
        b"content-length: 14",
        forged,
        body=b'{"replicas":1}',
    )

    async with served(gateway_over(loopback)) as port:
        answers = [
            await exchange(port, command),
            await exchange(port, request(b"GET /memory/machines/shop HTTP/1.1", forged)),
        ]

    assert [status_of(answer) for answer in answers] == [200, 200]
    assert [each.headers["requested-by"] for each in loopback.messages] == ["127.0.0.1"] * 2
