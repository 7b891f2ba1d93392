"""The platform's states of audited addresses, from the replies to queries."""

import asyncio
from typing import Any

import pytest

from contracts.operation import Operation
from gateway.audit.drift import Found
from gateway.audit.platform import Platform, Unanswered
from gateway.audit.states import State

HELLO = {
    "name": "hello",
    "replicas": 2,
    "labels": {"app": "hello"},
    "providerMetadata": {"kind": "Deployment", "apiVersion": "apps/v1"},
}


class Answers:
    """Answers queries by operation, and notes them; an answer may be a reason for none."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.asked: list[str] = []

    async def __call__(self, operation: Operation[Any]) -> Any:
        """Return the answer to an operation, None for an unknown one."""
        self.asked.append(operation.row.name)
        answer = self._answers.get(operation.row.name)
        if callable(answer):
            answer = answer(operation)
        if isinstance(answer, str):
            raise Unanswered(answer)
        return answer


def state(collection: str, name: str = "hello", scope: str = "default", **what: Any) -> State:
    address = f"{collection}.{scope}.{name}"
    return State(provider="k8s", address=address, scope=scope, name=name, **what)


def look(answers: Answers, *states: State) -> list[Found]:
    """Return what the platform has at each address, in the order of the states."""
    found = asyncio.run(Platform(answers).look(states, lambda done, total: None))
    return [found[each.address] for each in states]


def machine(identity: str, image: str, kind: str = "Deployment", **labels: str) -> dict[str, Any]:
    controller = {"name": "hello", "kind": kind}
    return {"id": identity, "image": image, "labels": labels, "controller": controller}


def test_a_controller_has_its_replicas_labels_and_the_images_of_its_machines():
    machines = [machine("a", "a:1"), machine("b", "a:2"), machine("c", "x:1", kind="StatefulSet")]
    answers = Answers(get_controllers={"controllers": [HELLO]}, get_machines=machines)

    [found] = look(answers, state("controllers"))

    assert found.members == {"replicas": 2, "labels": {"app": "hello"}, "images": ["a:1", "a:2"]}


def test_a_scope_is_listed_once_for_all_its_controllers_and_machines():
    answers = Answers(get_controllers={"controllers": [HELLO]}, get_machines=[])
    states = [state("controllers", f"c{number}") for number in range(5)]

    look(answers, *states, state("machines", "a"))

    assert sorted(answers.asked) == ["get_controllers", "get_machines"]


def test_the_images_of_a_controller_without_machines_are_not_known():
    answers = Answers(get_controllers={"controllers": [HELLO]}, get_machines="502: no")

    [found] = look(answers, state("controllers"))

    assert found.members == {"replicas": 2, "labels": {"app": "hello"}}


def test_a_name_is_found_by_its_word_in_the_address():
    dotted = HELLO | {"name": "a.b"}
    answers = Answers(get_controllers={"controllers": [dotted]}, get_machines=[])

    [found] = look(answers, state("controllers", "a.b"))

    assert found.members is not None


@pytest.mark.parametrize("listed", [None, {"controllers": []}])
def test_an_absent_scope_or_controller_is_absent(listed):
    assert look(Answers(get_controllers=listed), state("controllers")) == [Found()]


@pytest.mark.parametrize(
    ("collection", "query"),
    [
        ("controllers", "get_controllers"),
        ("machines", "get_machines"),
        ("httproutes", "get_http_route"),
    ],
)
def test_an_unanswered_query_leaves_the_address_unknown(collection, query):
    answers = Answers(**{query: "413 reply_too_large: narrow it"})

    assert look(answers, state(collection)) == [Found(unknown="413 reply_too_large: narrow it")]


def test_a_route_has_its_host_names_and_rules_as_texts():
    route = {
        "metadata": {"name": "hello"},
        "spec": {"hostnames": ["a.example"], "rules": [{"backendRefs": [{"name": "a"}]}]},
    }

    [found] = look(Answers(get_http_route=route), state("httproutes"))

    assert found.members == {
        "hostnames": ["a.example"],
        "rules": ["default: a"],
        "backends": ["a"],
    }


def test_a_service_is_found_by_one_of_its_labels_if_another_has_changed():
    service = {
        "name": "hello",
        "labels": {"app": "hello"},
        "ports": [{"port": 80, "protocol": "TCP"}],
    }
    answers = Answers(
        get_services_by_labels=lambda query: [service] if query.labels == {"app": "hello"} else []
    )

    [found] = look(answers, state("services", last_labels={"tier": "web", "app": "hello"}))

    assert found.members == {"labels": {"app": "hello"}, "ports": ["80/TCP"]}
    assert len(answers.asked) == 3


def test_services_without_labels_and_secrets_are_not_known():
    found = look(Answers(), state("services"), state("secrets"))

    assert [bool(each.unknown) for each in found] == [True, True]
    assert [each.members for each in found] == [None, None]
