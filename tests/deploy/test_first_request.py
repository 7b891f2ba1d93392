"""What `deploy/up` proposes to try is about things that are there."""

from typing import Any

from deploy.first_request import First, next_things
from deploy.rabbitmq.broker import Broker

BROKER = Broker("amqp://broker/", "a test")
URL = "http://gateway"


def owned(name: str, kind: str) -> dict[str, Any]:
    return {"id": f"{name}-1", "controller": {"name": name, "kind": kind}}


def proposed(*machines: dict[str, Any]) -> str:
    return next_things(First(URL, "shop", list(machines)), BROKER)


def test_a_controller_that_runs_machines_is_proposed_and_one_more_of_them() -> None:
    said = proposed(owned("store", "StatefulSet"), owned("store", "StatefulSet"))

    assert f"curl {URL}/k8s/machines/shop\n" in said
    assert f"curl {URL}/k8s/controllers/shop/store\n" in said
    assert """-d '{"replicas": 3}'""" in said


def test_what_cannot_be_scaled_is_not_proposed() -> None:
    said = proposed({"id": "alone"}, owned("agent", "DaemonSet"), owned("web", "Deployment"))

    assert "agent" not in said
    assert f"{URL}/k8s/controllers/shop/web" in said


def test_an_empty_namespace_is_no_failure() -> None:
    assert "controllers" not in proposed()
    assert "the namespace shop is empty or does not exist" in str(First(URL, "shop", []))
