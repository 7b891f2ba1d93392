"""The comparison of rights with permission checks names unused and missing rights."""

import re

import pytest
from msgspec import structs

from contracts import topology
from contracts.broker_users import NOTHING, User, users
from tests.broker.rights.needed import (
    PROVIDER,
    VOCABULARY,
    Check,
    Right,
    alternatives,
    permits,
    rights,
    superfluous,
)

OF_PROCESSES = ["machinist.replies.0123456789ab.1", "machinist.audit.live"]
"""Queues that processes declare."""

MEMBERS = {user.name: user for user in users([PROVIDER])}
RIGHTS = [right for user in MEMBERS.values() for right in rights(user) if right.pattern != NOTHING]
EACH_RIGHT = pytest.mark.parametrize(
    "right", RIGHTS, ids=lambda right: f"{right.user} {right.permission} {right.exchange or ''}"
)


def permitted(right: Right) -> set[str]:
    """Return the known names, or routing keys, that a right permits."""
    known = {*VOCABULARY[right.exchange], *OF_PROCESSES}
    return {name for name in known if re.search(right.pattern, name)}


def named(findings: list[str], name: str) -> bool:
    """Tell whether findings have a name, or the alternative for it."""
    return any(each == name or re.search(each, name) for each in findings)


@EACH_RIGHT
def test_a_right_of_which_everything_is_used_is_needed(right: Right) -> None:
    assert superfluous(right.pattern, VOCABULARY[right.exchange], permitted(right)) == []


@EACH_RIGHT
def test_each_unused_name_of_a_right_is_found(right: Right) -> None:
    everything = permitted(right)

    for name in everything:
        found = superfluous(right.pattern, VOCABULARY[right.exchange], everything - {name})
        assert named(found, name)


@EACH_RIGHT
def test_each_added_alternative_of_a_right_is_found(right: Right) -> None:
    everything, vocabulary = permitted(right), VOCABULARY[right.exchange]
    absent = {"machinist.absent", *vocabulary} - everything

    for name in sorted(absent):
        wider = f"^({re.escape(name)})$|{right.pattern}"
        assert named(superfluous(wider, vocabulary, everything), name)


@EACH_RIGHT
@pytest.mark.parametrize("broad", [".*", "^machinist", ""])
def test_a_broad_pattern_is_found(right: Right, broad: str) -> None:
    pattern = broad.replace("machinist", "") if right.exchange else broad

    assert superfluous(pattern, VOCABULARY[right.exchange], permitted(right))


@EACH_RIGHT
def test_without_an_alternative_of_a_right_a_check_is_denied(right: Right) -> None:
    user = MEMBERS[right.user]
    for name in permitted(right):
        less = f"^(?!{re.escape(name)}$)(?:{right.pattern})"
        if right.exchange is None:
            check = Check(user.name, right.permission, name)
            reduced = structs.replace(user, **{right.permission: less})
        else:
            check = Check(user.name, right.permission, right.exchange, name)
            reduced = structs.replace(user, keys={right.exchange: less})
        assert permits(user, check)
        assert not permits(reduced, check)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("^$", ["^$"]),
        ("^(a|b)$", ["^a$", "^b$"]),
        ("^(a|b)$|^c$", ["^a$", "^b$", "^c$"]),
        (r"^(x\.(a|b)\.[0-7]|c)$", ["^c$", r"^x\.a\.[0-7]$", r"^x\.b\.[0-7]$"]),
        (r"^(x(\..+)?)$", ["^x$", r"^x\..+$"]),
    ],
)
def test_a_pattern_has_these_alternatives(pattern: str, expected: list[str]) -> None:
    assert alternatives(pattern) == expected


@pytest.mark.parametrize(
    ("permission", "exchange", "key", "expected"),
    [
        ("write", topology.OUTCOMES, "done.k8s.x", True),
        ("write", topology.OUTCOMES, "failed.k8s.x", False),
        ("read", topology.OUTCOMES, "done.k8s.x", False),
        ("read", topology.EVENTS, "done.k8s.x", True),
    ],
)
def test_the_routing_keys_of_an_exchange_with_topic_permissions_are_checked(
    permission: str, exchange: str, key: str, expected: bool
) -> None:
    user = User(name="someone", keys={topology.OUTCOMES: r"^done\."})

    assert permits(user, Check("someone", permission, exchange, key)) == expected
