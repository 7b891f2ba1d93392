"""Records of refused commands: what they contain, and how many one client can cause."""

import logging
from pathlib import Path

import pytest

from contracts import outcomes
from contracts.api import OPERATIONS
from contracts.faults import Code, Fault
from contracts.outcomes import Outcome, Result, at_a_glance, message_of
from contracts.wire import Header
from gateway.identity import tokens
from gateway.identity.refusals import (
    NOT_READ,
    PEER_BURST,
    PEER_INTERVAL_S,
    PEERS,
    TOTAL_BURST,
    TOTAL_INTERVAL_S,
    Refusals,
    RefusedCommand,
)
from tests.gateway.requests import WORKLOAD
from tests.identity.guarded import Guarded, bearer, by_token, rights_of, rule

TOKEN = tokens.new_token()
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FAULT = Fault(Code.UNAUTHENTICATED, "words")


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    """A gateway that knows one token, whose subject may only read."""
    authentication = by_token(tmp_path, tokens.line_of(TOKEN, "ci", None))
    return Guarded(authentication, rights_of(tmp_path, rule("ci", classes=["read"])), limited=True)


def command(client: str | None, **changes: object) -> RefusedCommand:
    what = {
        "row": OPERATIONS["delete_service"].row,
        "command_id": "c-1",
        "provider": "k8s",
        "scope": "shop",
        "name": "hello",
        "requested_by": client,
        "client": client,
    }
    return RefusedCommand(**(what | changes))  # type: ignore[arg-type]  # values of several types


class Recorded:
    """Refusals with a clock that goes when it is told to."""

    def __init__(self) -> None:
        self.records: list[tuple[Outcome, Header | None]] = []
        self.seconds = 0.0
        self.refusals = Refusals(lambda *record: self.records.append(record), lambda: self.seconds)

    def add(self, client: str | None, times: int = 1) -> int:
        """Refuse commands of a client, and return the number of all records."""
        for _ in range(times):
            self.refusals.add(command(client), FAULT)
        return len(self.records)


async def test_a_command_without_a_token_is_recorded_with_the_address_of_its_client(
    guarded: Guarded,
) -> None:
    answer = await guarded.client.ask("DELETE", "/memory/services/shop/hello")

    [record] = guarded.records
    assert record.id == answer.headers["command-id"]
    assert (record.result, record.operation) == (Result.REFUSED, "delete_service")
    assert (record.provider, record.address) == ("memory", "services.shop.hello")
    assert (record.requested_by, record.user) == ("127.0.0.1", None)
    assert record.fault is not None
    assert (record.status, record.fault.code) == (401, Code.UNAUTHENTICATED)
    assert record.request is not None
    assert record.request.withheld == NOT_READ


async def test_a_command_without_the_right_is_recorded_with_its_subject(guarded: Guarded) -> None:
    await guarded.client.send("PUT", "/memory/workloads/shop", WORKLOAD, headers=bearer(TOKEN))

    [record] = guarded.records
    assert (record.status, record.requested_by) == (403, "ci")
    # The name is in the body, which was not read.
    assert record.address == "controllers.shop"
    assert at_a_glance(record) == {
        "who": "ci",
        "what": "apply_workload memory controllers.shop: refused 403",
        "why": "forbidden: the subject ci does not have the right change in this scope of this "
        "provider: see PLT_AUTH_RIGHTS",
    }


async def test_a_record_is_a_message_that_readers_of_the_audit_understand(guarded: Guarded) -> None:
    await guarded.client.ask("DELETE", "/memory/services/sh%2F%C3%A4%00op/hello%20world")

    [record] = guarded.records
    message = message_of(record, "gateway/test", TRACE)
    assert outcomes.read(message) == record
    assert message.key.startswith("refused.memory.services.sh-")
    assert len(message.key.encode()) < 256
    assert message.key.isascii()


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/memory/services/shop?labels=a=b"),
        ("DELETE", "/No-Provider/services/shop/hello"),
        ("DELETE", f"/{'p' * 33}/services/shop/hello"),
        ("DELETE", "/machinist.%23/services/shop/hello"),
        ("DELETE", "/memory/unknown/shop/hello"),
    ],
)
async def test_a_query_and_a_command_that_cannot_exist_are_not_recorded(
    guarded: Guarded, method: str, target: str
) -> None:
    answer = await guarded.client.ask(method, target)

    assert answer.status in {401, 404}
    assert not guarded.records


async def test_one_client_can_cause_a_limited_number_of_records(guarded: Guarded) -> None:
    answers = [
        await guarded.client.ask("DELETE", "/memory/services/shop/hello")
        for _ in range(PEER_BURST + 5)
    ]

    assert {answer.status for answer in answers} == {401}
    assert len(guarded.records) == PEER_BURST


def test_a_client_may_cause_one_more_record_after_each_interval() -> None:
    recorded = Recorded()
    assert recorded.add("198.51.100.7", 2 * PEER_BURST) == PEER_BURST

    recorded.seconds = 2.5 * PEER_INTERVAL_S

    assert recorded.add("198.51.100.7", 5) == PEER_BURST + 2


def test_all_clients_together_can_cause_a_limited_number_of_records(
    caplog: pytest.LogCaptureFixture,
) -> None:
    recorded = Recorded()
    for number in range(2 * TOTAL_BURST):
        recorded.add(f"198.51.{number}.7")

    assert len(recorded.records) == TOTAL_BURST
    [warning] = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert "1 refused commands are not in the audit" in warning.getMessage()

    recorded.seconds = 7 * TOTAL_INTERVAL_S
    assert recorded.add("203.0.113.1", 9) == TOTAL_BURST + 7


def test_other_clients_are_recorded_while_one_client_is_limited() -> None:
    recorded = Recorded()
    recorded.add("198.51.100.7", 1000)

    assert recorded.add("198.51.100.8") == PEER_BURST + 1
    assert recorded.add(None) == PEER_BURST + 2


def test_an_ipv6_client_cannot_escape_the_limit_by_other_addresses_of_its_network() -> None:
    recorded = Recorded()
    for number in range(2 * PEER_BURST):
        recorded.add(f"2001:db8:0:1::{number:x}")

    assert recorded.add("2001:db8:0:2::1") == PEER_BURST + 1


def test_the_memory_for_clients_is_limited() -> None:
    recorded = Recorded()
    for number in range(3 * PEERS):
        recorded.add(f"10.{number // 65536}.{number // 256 % 256}.{number % 256}")

    assert len(recorded.refusals._peers) == PEERS
