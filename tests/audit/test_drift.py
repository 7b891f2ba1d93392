"""The drift between an audited state and a platform, by kind."""

from typing import Any

import pytest

from gateway.audit.drift import Found, Kind, drifts, unchecked
from gateway.audit.states import State
from gateway.audit.verification import compare, foreign_in

CONTROLLER = {"replicas": 3, "images": ["a:1", "proxy:2"], "labels": {"app": "a", "tier": "web"}}
SERVICE = {"labels": {"app": "a"}, "ports": ["80/TCP", "443/TCP"]}
ROUTE = {
    "hostnames": ["a.example"],
    "rules": ["header x-v=v1: a-v1", "default: a-v2"],
    "backends": ["a-v1", "a-v2"],
}
MACHINE = {"labels": {"monitor": "on", "old": None}}


def state(collection: str, members: dict[str, Any], **what: Any) -> State:
    known: dict[str, Any] = {"exists": True, "members": members}
    return State(
        provider="k8s",
        address=f"{collection}.default.a",
        scope="default",
        name="a",
        **known | what,
    )


def with_(members: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return members | changes


PLANTED = [
    ("controllers", CONTROLLER, {"replicas": 5}, Kind.REPLICAS, 3, 5),
    ("controllers", CONTROLLER, {"replicas": 0}, Kind.REPLICAS, 3, 0),
    ("controllers", CONTROLLER, {"images": ["a:2"]}, Kind.IMAGES, ["a:1", "proxy:2"], ["a:2"]),
    (
        "controllers",
        CONTROLLER,
        {"images": ["a:1", "a:2"]},
        Kind.IMAGES,
        ["a:1", "proxy:2"],
        ["a:1", "a:2"],
    ),
    (
        "controllers",
        CONTROLLER,
        {"labels": {"app": "b", "tier": "web"}},
        Kind.LABELS,
        {"app": "a"},
        {"app": "b"},
    ),
    (
        "controllers",
        CONTROLLER,
        {"labels": {"app": "a"}},
        Kind.LABELS,
        {"tier": "web"},
        {"tier": None},
    ),
    (
        "controllers",
        CONTROLLER,
        {"labels": {"app": "a", "tier": "web", "new": "1"}},
        Kind.LABELS,
        {"new": None},
        {"new": "1"},
    ),
    ("services", SERVICE, {"ports": ["80/TCP"]}, Kind.PORTS, ["80/TCP", "443/TCP"], ["80/TCP"]),
    (
        "services",
        SERVICE,
        {"ports": ["80/UDP", "443/TCP"]},
        Kind.PORTS,
        ["80/TCP", "443/TCP"],
        ["80/UDP", "443/TCP"],
    ),
    ("services", SERVICE, {"labels": {}}, Kind.LABELS, {"app": "a"}, {"app": None}),
    ("httproutes", ROUTE, {"hostnames": []}, Kind.HOSTNAMES, ["a.example"], []),
    (
        "httproutes",
        ROUTE,
        {"hostnames": ["a.example", "b.example"]},
        Kind.HOSTNAMES,
        ["a.example"],
        ["a.example", "b.example"],
    ),
    (
        "httproutes",
        ROUTE,
        {"rules": ["default: a-v2"]},
        Kind.RULES,
        ROUTE["rules"],
        ["default: a-v2"],
    ),
    (
        "httproutes",
        ROUTE,
        {"rules": ["header x-v=v1: a-v1", "default: a-v1"], "backends": ["a-v1"]},
        Kind.RULES,
        ROUTE["rules"],
        ["header x-v=v1: a-v1", "default: a-v1"],
    ),
    (
        "machines",
        MACHINE,
        {"labels": {"monitor": "off"}},
        Kind.LABELS,
        {"monitor": "on"},
        {"monitor": "off"},
    ),
    ("machines", MACHINE, {"labels": {}}, Kind.LABELS, {"monitor": "on"}, {"monitor": None}),
    (
        "machines",
        MACHINE,
        {"labels": {"monitor": "on", "old": "1"}},
        Kind.LABELS,
        {"old": None},
        {"old": "1"},
    ),
]


@pytest.mark.parametrize(("collection", "members", "changes", "kind", "expected", "got"), PLANTED)
def test_a_changed_member_is_the_only_drift(collection, members, changes, kind, expected, got):
    [drift] = drifts(state(collection, members), Found(members=with_(members, **changes)))

    assert (drift.kind, drift.expected, drift.found) == (kind, expected, got)
    assert (drift.provider, drift.address) == ("k8s", f"{collection}.default.a")


@pytest.mark.parametrize(
    ("collection", "members", "found"),
    [
        ("controllers", CONTROLLER, with_(CONTROLLER, images=["a:1"])),
        ("controllers", CONTROLLER, {"replicas": 3, "labels": CONTROLLER["labels"]}),
        (
            "controllers",
            CONTROLLER,
            with_(CONTROLLER, labels={"aws:x": "1", "app": "a", "tier": "web"}),
        ),
        ("services", SERVICE, with_(SERVICE, ports=["443/TCP", "80/TCP"])),
        ("httproutes", ROUTE, with_(ROUTE, rules=["default: a-v2", "header x-v=v1: a-v1"])),
        ("machines", MACHINE, {"labels": {"monitor": "on", "other": "1"}}),
    ],
)
def test_an_equal_state_is_no_drift(collection, members, found):
    assert drifts(state(collection, members), Found(members=found)) == []


@pytest.mark.parametrize("collection", ["controllers", "services", "httproutes"])
def test_an_absent_resource_is_drift(collection):
    [drift] = drifts(state(collection, {"replicas": 3}), Found())

    assert (drift.kind, drift.expected) == (Kind.DELETED, {"replicas": 3})


def test_an_absent_machine_is_no_drift():
    assert drifts(state("machines", MACHINE), Found()) == []


@pytest.mark.parametrize("collection", ["controllers", "services", "httproutes"])
def test_a_resource_that_should_be_deleted_is_drift(collection):
    [drift] = drifts(state(collection, {}, exists=False), Found(members={"replicas": 1}))

    assert (drift.kind, drift.found) == (Kind.NOT_DELETED, {"replicas": 1})


def test_a_deletion_under_way_is_drift_only_if_the_audit_has_none():
    leaving = Found(members={"replicas": 1}, deleting=True)
    [drift] = drifts(state("controllers", {"replicas": 1}), leaving)

    assert drift.kind is Kind.DELETING
    assert drifts(state("controllers", {}, exists=False), leaving) == []


def test_a_shortened_member_is_not_compared_but_the_backends_of_its_rules_are():
    short = state("httproutes", ROUTE, shortened=frozenset({"rules"}))
    found = with_(ROUTE, rules=[], backends=["a-v1"])

    assert [each.kind for each in drifts(short, Found(members=found))] == [Kind.BACKENDS]


def test_drift_names_a_later_command_with_an_unknown_effect():
    [drift] = drifts(
        state("controllers", {"replicas": 3}, uncertain="c9"), Found(members={"replicas": 7})
    )

    assert drift.uncertain == "c9"


@pytest.mark.parametrize(
    ("known", "found", "reason"),
    [
        ({}, Found(unknown="504 deadline_exceeded"), "504 deadline_exceeded"),
        ({"exists": None}, Found(members=CONTROLLER), "no record has its state"),
        ({}, Found(members=CONTROLLER), None),
    ],
)
def test_an_address_without_a_known_state_is_not_compared(known, found, reason):
    one = state("controllers", CONTROLLER, **known)

    assert unchecked(one, found) == reason
    assert drifts(one, found) == []


def test_a_controller_without_a_command_is_foreign():
    states = {("k8s", "controllers.default.a"): state("controllers", CONTROLLER)}
    listed = [{"name": "a", "replicas": 3}, {"name": "b", "replicas": 2}]

    [drift] = foreign_in("k8s", "default", listed, states)

    assert (drift.address, drift.kind) == ("controllers.default.b", Kind.FOREIGN)
    assert drift.found == {"replicas": 2}


def test_an_address_with_a_command_since_the_audit_was_read_is_not_compared():
    key = ("k8s", "controllers.default.a")
    report = compare({key: state("controllers", CONTROLLER)}, {key: Found()}, {key})

    assert (report.compared, report.drift) == (0, [])
    assert [each.unchecked for each in report.unchecked] == ["a command came meanwhile"]
