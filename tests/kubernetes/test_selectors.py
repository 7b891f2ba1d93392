"""Label selectors: their text for the API server, and the same selection in the worker."""

import random
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from contracts.faults import Code, Fault
from deploy.sandbox.kubernetes.messages import Answer, Request
from deploy.sandbox.kubernetes.selectors import matches_labels, parse_labels
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.kubernetes.objects import workload
from worker.providers.k8s import selectors
from worker.providers.k8s.objects import Replication, Workload
from worker.providers.k8s.selectors import Selector

KEYS = ("app", "plt.dev/version", "a-b_c.d", "tier", "Zone")
VALUES = ("", "web", "web-1", "1", "A_b.c", "canary")
OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def read(json: Any, expected: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(json), type=expected)


def text_of(found: Workload | Replication) -> str | None:
    selector = selectors.of_controller(found)
    return selector.text if selector else None


def random_labels(source: random.Random) -> dict[str, str]:
    return {key: source.choice(VALUES) for key in source.sample(KEYS, source.randint(0, 4))}


def random_selector(source: random.Random) -> Selector:
    """Return a selector of a controller, with at least one term."""
    expressions = []
    for _ in range(source.randint(0, 3)):
        operator = source.choice(OPERATORS)
        values = source.sample(VALUES, source.randint(1, 3)) if operator.endswith("In") else None
        expressions.append({"key": source.choice(KEYS), "operator": operator, "values": values})
    equal = random_labels(source) or ({} if expressions else {"app": "web"})
    rule = {"matchLabels": equal, "matchExpressions": expressions}
    found = selectors.of_controller(
        read(workload("Deployment", "web", spec={"selector": rule}), Workload)
    )
    assert found is not None
    return found


def test_10_000_random_selectors_select_what_the_api_server_selects() -> None:
    source = random.Random(14)
    candidates = [random_labels(source) for _ in range(60)]
    selected = 0
    for _ in range(10_000):
        selector = random_selector(source)
        requirements = parse_labels(selector.text)
        for labels in source.sample(candidates, 8):
            expected = matches_labels(requirements, labels)
            selected += expected
            assert selector.matches(labels) is expected, (selector.text, labels)
            if expected:
                assert set(selector.equalities()) <= labels.items()
    assert 2_000 < selected < 40_000  # both answers are common


def test_random_selectors_select_the_same_pods_through_a_request(
    cluster: KubernetesSandbox,
) -> None:
    source = random.Random(15)
    pods = {f"p-{number}": random_labels(source) for number in range(40)}
    for name, labels in pods.items():
        cluster.add_pod(name, labels=labels)
    headers = {"authorization": f"Bearer {cluster.token}"}
    for _ in range(200):
        selector = random_selector(source)
        query = f"labelSelector={quote(selector.text, safe='')}"
        path = "/api/v1/namespaces/default/pods"
        answer = cluster.answer(Request("GET", path, query, headers))
        assert isinstance(answer, Answer)
        listed = {each["metadata"]["name"] for each in msgspec.json.decode(answer.body)["items"]}
        assert listed == {name for name, labels in pods.items() if selector.matches(labels)}


@pytest.mark.parametrize(
    ("labels", "expected"), [({"app": "web", "tier": ""}, "app=web,tier="), ({}, None)]
)
def test_labels_are_a_selector_that_requires_each(labels, expected):
    selector = selectors.of_labels(labels)

    assert (selector.text if selector else None) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"matchLabels": {"app": "web", "tier": ""}}, "app=web,tier="),
        (
            {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]},
            "app in (a,b)",
        ),
        (
            {
                "matchLabels": {"app": "web"},
                "matchExpressions": [
                    {"key": "track", "operator": "NotIn", "values": ["canary"]},
                    {"key": "plt.dev/version", "operator": "Exists"},
                    {"key": "old", "operator": "DoesNotExist", "values": None},
                ],
            },
            "app=web,track notin (canary),plt.dev/version,!old",
        ),
        ({}, None),
        ({"matchLabels": {}}, None),
        ({"matchLabels": None, "matchExpressions": None}, None),
        (None, None),
    ],
)
def test_a_selector_is_rendered_completely_and_an_empty_one_is_none(rule, expected):
    found = read(workload("Deployment", "web", spec={"selector": rule}), Workload)

    assert text_of(found) == expected


@pytest.mark.parametrize(
    ("rule", "expected"), [({"app": "web", "v": "1"}, "app=web,v=1"), ({}, None), (None, None)]
)
def test_a_replication_controllers_flat_selector_is_rendered_too(rule, expected):
    json = workload("ReplicationController", "web", spec={"selector": rule})

    assert text_of(read(json, Replication)) == expected


def test_an_unknown_selector_operator_is_a_fault():
    rule = {"matchExpressions": [{"key": "n", "operator": "Gt", "values": ["1"]}]}
    found = read(workload("Deployment", "web", spec={"selector": rule}), Workload)

    with pytest.raises(Fault, match="operator 'Gt'; expected In, NotIn") as raised:
        selectors.of_controller(found)

    assert raised.value.code is Code.PLATFORM_FAILED
