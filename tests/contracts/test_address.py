"""Addresses: the same for every operation on one resource, and short enough for routing keys."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import address, api
from contracts.faults import Code, Fault
from contracts.operation import Row
from tests.contracts.names import names, provider_names, simple_names
from tests.examples import EXAMPLES, manifest, plan, workload

ARN = "arn:aws:ecs:eu-west-1:123456789012"
COLLECTIONS = ["machines", "controllers", "services", "secrets", "gateways", "httproutes"]
RESULTS = ["done", "failed", "expired", "unknown", "superseded", "refused", "dead"]


def row(collection: str) -> Row:
    """Return the row of an operation on a collection."""
    return next(
        operation.row
        for operation in EXAMPLES.values()
        if operation.row.collection == collection
        and (not operation.row.safe or "gat" in collection)
    )


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("hello", "hello"),
        ("Hello_World-1", "Hello_World-1"),
        ("my-app-v1.2.3", "my-app-v1-2-3-4f878d"),
        ("my-app-v1-2-3-4f878d", "my-app-v1-2-3-4f878d"),
        ("web.internal", "web-internal-9f39fb"),
        (f"{ARN}:service/prod/hello", "hello"),
        (f"{ARN}:service/hello", "hello"),
        (f"{ARN}:cluster/prod", "prod"),
        (f"{ARN}:task/prod/0a1b2c", "0a1b2c"),
        ("a" * 80, "a" * 80),
        ("a" * 81, f"{'a' * 73}-{sha256(b'a' * 81).hexdigest()[:6]}"),
    ],
)
def test_a_name_becomes_a_word(name, word):
    assert address.word(name) == word


@pytest.mark.parametrize(
    ("operation", "misspelt", "meant"),
    [
        (api.ApplyWorkload("default", {"nme": "x", "image": "i"}), "nme", "name"),
        (api.ApplyRoutePlan("default", {"appname": "x"}), "appname", "appName"),
    ],
    ids=["workload", "plan"],
)
def test_the_fault_of_a_misspelt_member_suggests_the_known_member(operation, misspelt, meant):
    with pytest.raises(Fault) as raised:
        address.address(operation)

    assert f": unknown member '{misspelt}', did you mean {meant}?" in raised.value.message


def test_a_name_that_is_too_long_for_ecs_has_the_word_of_its_shortened_name():
    """On ECS: the first 248 characters, a hyphen and 6 digits of the hash of the whole name."""
    name = "a" * 300
    at_ecs = f"{'a' * 248}-{sha256(name.encode()).hexdigest()[:6]}"

    assert len(at_ecs) == 255
    assert address.word(name) == address.word(at_ecs)


def test_the_name_on_ecs_is_computed_before_the_limit_of_80_characters_applies():
    name = "a" * 98 + ".b"
    at_ecs = f"{'a' * 98}-b-{sha256(name.encode()).hexdigest()[:6]}"

    assert address.word(name) == address.word(at_ecs)


@given(names)
def test_the_word_of_a_word_is_the_same_word(name):
    assert address.word(address.word(name)) == address.word(name)


@given(names)
def test_a_word_has_no_dot_and_at_most_80_characters(name):
    word = address.word(name)

    assert 1 <= len(word) <= 80
    assert set(word) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@given(simple_names, simple_names)
def test_an_arn_and_its_name_have_the_same_word(cluster, service):
    expected = address.word(service)

    assert address.word(f"{ARN}:service/{cluster}/{service}") == expected
    assert address.word(f"{ARN}:service/{service}") == expected


@given(simple_names, simple_names)
def test_different_names_that_need_no_change_have_different_words(one, other):
    assert (address.word(one) == address.word(other)) == (one == other)


@given(simple_names)
def test_long_names_that_differ_at_their_end_have_different_words(name):
    long = "team-" * 20 + name

    assert address.word(f"{long}-a") != address.word(f"{long}-b")


def test_names_that_differ_in_a_dot_have_different_words():
    words = {address.word(name) for name in ("v1.2", "v1-2", "v1:2", "v1_2")}

    assert len(words) == 4


@given(names, names)
def test_all_commands_on_a_controller_have_one_address(scope, name):
    one, other = address.word(scope), address.word(name)
    addresses = {
        address.address(api.UpdateControllerReplicas(scope=scope, name=name, replicas=0)),
        address.address(api.UpdateControllerReplicas(scope=one, name=name, replicas=9)),
        address.address(api.DeleteController(scope=scope, name=other, kind="Deployment")),
        address.address(api.ApplyController(scope=scope, manifest=manifest("Deployment", name))),
        address.address(api.ApplyWorkload(scope=scope, workload=workload(name, minReplicas=7))),
    }

    assert addresses == {f"controllers.{one}.{other}"}


@given(names, names)
def test_all_commands_on_a_route_have_one_address(scope, name):
    addresses = {
        address.address(api.ApplyHttpRoute(scope=scope, manifest=manifest("HTTPRoute", name))),
        address.address(api.DeleteHttpRoute(scope=scope, name=address.word(name))),
        address.address(api.ApplyRoutePlan(scope=scope, plan=plan(name))),
    }

    assert len(addresses) == 1


@given(names)
def test_the_address_of_a_whole_collection_has_no_name(scope):
    assert address.address(api.GetMachines(scope=scope)) == f"machines.{address.word(scope)}"


@given(collection=st.sampled_from(COLLECTIONS), provider=provider_names, scope=names, name=names)
def test_routing_keys_stay_below_the_limit_of_amqp(collection, provider, scope, name):
    """AMQP allows 255 bytes."""
    where = address.address_of(row(collection), scope, name)
    key = address.routing_key(provider, row(collection), where)

    assert len(key.encode()) <= 210
    assert all(len(f"{result}.{provider}.{where}".encode()) <= 217 for result in RESULTS)


@pytest.mark.parametrize("collection", COLLECTIONS)
def test_routing_keys_of_the_longest_names_stay_below_the_limit(collection):
    where = address.address_of(row(collection), "s" * 512, "n" * 512)
    key = address.routing_key("p" * 32, row(collection), where)

    assert len(key.encode()) <= 210
    assert max(len(f"{result}.{'p' * 32}.{where}".encode()) for result in RESULTS) <= 217


@pytest.mark.parametrize(
    ("operation", "place"),
    [
        (api.ApplyService(scope="default", manifest={}), "metadata.name"),
        (api.ApplyService(scope="default", manifest={"metadata": None}), "metadata.name"),
        (api.ApplyService(scope="default", manifest={"metadata": ["a"]}), "metadata.name"),
        (api.ApplyService(scope="default", manifest=manifest("Service", "a/../b")), "metadata"),
        (api.ApplySecret(scope="default", manifest={"metadata": {"name": ""}}), "metadata.name"),
        (api.ApplyWorkload(scope="default", workload={"image": "a"}), "name"),
        (api.ApplyRoutePlan(scope="default", plan={"appName": 3}), "appName"),
    ],
)
def test_the_fault_of_a_missing_or_invalid_name_starts_with_its_place(operation, place):
    with pytest.raises(Fault) as raised:
        address.address(operation)

    assert raised.value.code is Code.INVALID
    assert raised.value.message.startswith(place)
    assert "expected" in raised.value.message


def test_an_invalid_name_in_a_sealed_manifest_is_not_shown():
    misplaced = {"metadata": {"name": {"password": "canary"}}}

    with pytest.raises(Fault) as raised:
        address.address(api.ApplySecret(scope="default", manifest=misplaced))

    assert "canary" not in raised.value.message


@pytest.mark.parametrize("name", ["k8s", "ecs", "k8s-eu1", "a", "p" * 32])
def test_a_short_lower_case_name_is_a_valid_provider_name(name):
    assert address.is_provider_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "", "K8s", "1k8s", "-k8s", "k8s.eu", "k8s_eu", "k8s eu", "k8s\n", "k/8", "ünicode",
        "p" * 33, "status", "ready", "documentation", "metrics", "page", "queries", "commands",
        "events", "replies", "outcomes", "ended", "dead", "audit", "recent",
    ],
)  # fmt: skip
def test_an_invalid_or_reserved_name_is_not_a_valid_provider_name(name):
    assert not address.is_provider_name(name)
