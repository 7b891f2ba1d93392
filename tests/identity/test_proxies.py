"""The address of a client behind trusted proxies, as the audit names it."""

import pytest

from contracts.process.environment import ConfigurationError
from gateway.identity.proxies import HOPS, trusted_proxies
from tests.identity.guarded import Guarded

TRUSTED = "127.0.0.0/8, 10.0.0.0/8,2001:db8:1::/48"
CLIENT = "198.51.100.7"
FORGED = "203.0.113.9"
MANY = ", ".join(["10.0.0.1"] * (HOPS + 8))

CASES = {
    "no header": ([], "127.0.0.1"),
    "one proxy": ([CLIENT], CLIENT),
    "an entry that the client wrote": ([f"{FORGED}, {CLIENT}"], CLIENT),
    "two proxies": ([f"{FORGED}, {CLIENT}, 10.0.0.2"], CLIENT),
    "several headers": ([FORGED, f"{CLIENT}", "10.0.0.2"], CLIENT),
    "trusted proxies only": (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    "a port": ([f"{CLIENT}:4711"], CLIENT),
    "IPv6": (["2001:db8:2::1"], "2001:db8:2::1"),
    "IPv6 with a port": (["[2001:db8:2::1]:4711"], "2001:db8:2::1"),
    "a trusted proxy with IPv6": ([f"{CLIENT}, 2001:db8:1::2"], CLIENT),
    "IPv4 in IPv6": ([f"{CLIENT}, ::ffff:10.0.0.2"], CLIENT),
    "no address": (["unknown"], "127.0.0.1"),
    "no address before a proxy": ([f"{CLIENT}, unknown, 10.0.0.2"], "10.0.0.2"),
    "an empty header": ([""], "127.0.0.1"),
    "an empty entry": ([f"{CLIENT}, "], "127.0.0.1"),
    "an address with a zone": ([f"fe80::1%{'x' * 2000}"], "127.0.0.1"),
    "a line break": ([f"{CLIENT}\\r\\nx"], "127.0.0.1"),
    "very many entries": ([f"{CLIENT}, {MANY}"], "10.0.0.1"),
}


async def requested_by(guarded: Guarded, headers: list[tuple[str, str]]) -> str | None:
    guarded.caller.calls.clear()
    await guarded.client.get("/memory/machines/shop", headers=headers)
    [(_, _, context)] = guarded.caller.calls
    return context.requested_by


@pytest.fixture(scope="module")
def trusting() -> Guarded:
    return Guarded(None, None, trusted_proxies(TRUSTED))


@pytest.mark.parametrize(("values", "client"), CASES.values(), ids=CASES.keys())
async def test_the_client_is_the_last_hop_that_is_not_trusted(
    trusting: Guarded, values: list[str], client: str
) -> None:
    headers = [("x-forwarded-for", value) for value in values]

    assert await requested_by(trusting, headers) == client


@pytest.mark.parametrize("name", ["forwarded", "x-real-ip", "x-client-ip", "requested-by"])
async def test_no_other_header_is_read(trusting: Guarded, name: str) -> None:
    """A proxy that writes X-Forwarded-For passes these on as the client sent them."""
    headers = [(name, f"for={FORGED}"), (name, FORGED), ("x-forwarded-for", CLIENT)]

    assert await requested_by(trusting, headers) == CLIENT


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8", "127.0.0.2", "::1"])
async def test_a_peer_that_is_not_trusted_is_the_client_itself(trusted: str) -> None:
    guarded = Guarded(None, None, trusted_proxies(trusted))

    assert await requested_by(guarded, [("x-forwarded-for", FORGED)]) == "127.0.0.1"


@pytest.mark.parametrize("text", ["proxy.test", "10.0.0.0/33", "10.0.0.1/8", "*", "10.0.0.0/8;::1"])
def test_a_wrong_network_is_named(text: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        trusted_proxies(f"10.0.0.0/8,{text}")

    assert "PLT_TRUSTED_PROXIES: expected addresses and networks" in str(raised.value)
