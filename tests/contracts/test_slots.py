"""Slots: the mapping of addresses to partitions, which never changes."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import address
from contracts.api import OPERATIONS
from tests.examples import EXAMPLES

KNOWN = {
    "controllers.default.hello": 0,
    "controllers.default.hello-v2": 7,
    "controllers.production.my-app-v1-2-3-4f878d": 0,
    "httproutes.default.hello": 1,
    "machines.default.hello-7d4b9-x2x7q": 3,
    "secrets.prod.token": 4,
    "services.prod.web": 5,
    "controllers.default.app-2": 5,
    "controllers.default.app-5": 6,
    "controllers.default.app-7": 2,
}


def test_there_are_eight_slots():
    assert address.SLOTS == 8


@pytest.mark.parametrize(("where", "slot"), KNOWN.items())
def test_a_slot_never_changes(where, slot):
    """Messages wait in partitions during an upgrade: another slot would break their order."""
    assert address.slot(where) == slot


@given(st.text())
def test_a_slot_is_the_crc_32_of_the_address_modulo_eight(where):
    assert address.slot(where) in range(8)
    assert address.slot(where) == zlib.crc32(where.encode()) % 8


def test_addresses_are_distributed_over_all_slots():
    slots = [address.slot(f"controllers.default.app-{n}") for n in range(800)]

    assert all(60 < slots.count(slot) < 140 for slot in range(8))


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_routing_key_has_the_slot_for_a_command_but_not_for_a_query(name):
    row = OPERATIONS[name].row
    where = address.address(EXAMPLES[name])
    slot = "" if row.safe else f"{address.slot(where)}."

    assert address.routing_key("k8s", row, where) == f"k8s.{slot}{where}"
