"""What `deploy/up` proposes to try is about things that are there."""

from typing import Any

import pytest

from deploy.first_request import First, next_things
from deploy.rabbitmq.broker import Broker

BROKER = Broker("amqp://broker/", "a test")
URL = "http://gateway"


def owned(name: str, kind: str) -> dict[str, Any]:
    return {"id": f"{name}-1", "controller": {"name": name, "kind": kind}}


def first(*machines: dict[str, Any], provider: str = "k8s") -> First:
    return First(URL, provider, "shop", list(machines), provider)


def proposed(*machines: dict[str, Any]) -> str:
    return next_things(URL, [first(*machines)], BROKER, {})


def test_a_controller_that_runs_machines_is_proposed_and_one_more_of_them() -> None:
    said = proposed(owned("store", "StatefulSet"), owned("store", "StatefulSet"))

    assert f"curl {URL}/k8s/machines/shop\n" in said
    assert f"curl {URL}/k8s/controllers/shop/store\n" in said
    assert """-d '{"replicas": 3}'""" in said


def test_things_of_each_platform_are_proposed() -> None:
    task = {"id": "0f", "controller": {"name": "store"}}

    said = next_things(
        URL, [first(owned("web", "Deployment")), first(task, provider="ecs")], BROKER, {}
    )

    assert f"curl {URL}/k8s/controllers/shop/web\n" in said
    assert f"curl {URL}/ecs/controllers/shop/store\n" in said
    assert f"""-d '{{"replicas": 2}}' {URL}/ecs/controllers/shop/store """ in said
    assert said.count("/ready") == 1


def test_what_cannot_be_scaled_is_not_proposed() -> None:
    said = proposed({"id": "alone"}, owned("agent", "DaemonSet"), owned("web", "Deployment"))

    assert "agent" not in said
    assert f"{URL}/k8s/controllers/shop/web" in said


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("k8s", "the namespace shop is empty or does not exist (--namespace names another)"),
        ("ecs", "the cluster shop runs no tasks (--cluster names another)"),
    ],
)
def test_an_empty_scope_is_no_failure(provider: str, words: str) -> None:
    assert "controllers" not in proposed()
    assert words in first(provider=provider).shown()


def test_a_long_answer_is_cut_to_what_is_asked_for() -> None:
    shown = first(*[owned("web", "Deployment")] * 5).shown(lines=6)

    assert "200, 5 machines" in shown
    assert shown.count("\n") == 9
    assert shown.endswith("… 31 more lines\n")


def test_the_logins_of_people_are_told_where_the_broker_is_ours() -> None:
    ours = Broker("amqp://admin:1@here/", "a test", "http://here:15672", "admin", "1")
    logins = {name: f"amqp://{name}:secret@here/" for name in ("producer", "auditor", "operator")}

    said = next_things(URL, [], ours, logins)

    for url in logins.values():
        assert said.count(url) == 1
    assert "amqp" not in next_things(URL, [], BROKER, logins)


def test_a_provider_with_a_name_of_its_own_is_asked_under_it() -> None:
    named = First(URL, "k8s-eu1", "shop", [owned("web", "Deployment")], "k8s")

    said = next_things(URL, [named], BROKER, {})

    assert f"{URL}/k8s-eu1/controllers/shop/web" in said
