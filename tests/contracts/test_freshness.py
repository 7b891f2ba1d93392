"""Freshness as headers of messages."""

import pytest

from contracts import topology
from contracts.address import address, routing_key
from contracts.api import GetController, GetMachines, UpdateControllerReplicas
from contracts.freshness import (
    UNKNOWN,
    VERSIONS,
    Freshness,
    announcement,
    freshness_of,
    place,
    versions_in,
)
from contracts.wire import HEADER_SCOPE, HEADER_VERSIONS, Header, Message


def message(headers: dict[str, Header]) -> Message:
    return Message(exchange="", key="", body=b"", type="", message_id="", headers=headers)


@pytest.mark.parametrize(
    "freshness",
    [
        Freshness(),
        Freshness({"deployments": 105, "pods": UNKNOWN}),
        Freshness({"pods": 0}, max_age_s=0.0),
        Freshness(max_age_s=2.5),
    ],
)
def test_freshness_is_read_as_it_was_written(freshness: Freshness) -> None:
    assert freshness_of(message(freshness.headers())) == freshness


@pytest.mark.parametrize(
    "text", [None, 7, "pods", "pods=", "=7", "pods=-1", "pods=x", "pods=1,,x", f"pods={2**63}"]
)
def test_versions_that_cannot_be_read_permit_no_local_copy(text: Header | None) -> None:
    assert versions_in(text) is None


def test_a_query_without_the_header_permits_no_local_copy() -> None:
    assert freshness_of(message({"max-age": 5})) is None


def test_a_command_and_a_query_of_one_scope_have_one_place() -> None:
    operations = (
        UpdateControllerReplicas("team.shop", "web", 3),
        GetController("team.shop", "web"),
        GetMachines("team.shop"),
    )
    keys = [routing_key("k8s-eu1", each.row, address(each)) for each in operations]
    elsewhere = routing_key("k8s-eu1", GetMachines.row, address(GetMachines("other")))

    assert len({place(key) for key in keys}) == 1
    assert place(elsewhere) == "k8s-eu1.other"
    assert place(elsewhere) != place(keys[0])


def test_a_scope_that_is_a_number_is_no_slot() -> None:
    operation, query = UpdateControllerReplicas("7", "web", 3), GetMachines("7")
    keys = [routing_key("k8s", each.row, address(each)) for each in (operation, query)]

    assert [place(key) for key in keys] == ["k8s.7", "k8s.7"]


def test_an_announcement_reaches_all_gateways_and_names_its_place() -> None:
    told = announcement("k8s.default", {"pods": 7})

    assert (told.exchange, told.key, told.type) == (
        topology.REPLIES,
        topology.ATTENDANCE,
        VERSIONS,
    )
    assert told.headers == {HEADER_SCOPE: "k8s.default", HEADER_VERSIONS: "pods=7"}
