"""Suggestions of `deploy/up` for the next requests name controllers that exist."""

from typing import Any

import pytest

from deploy.first_request import FirstResponse, suggestions
from deploy.rabbitmq.broker import Broker

BROKER = Broker("amqp://broker/", "a test")
URL = "http://gateway"


def owned(name: str, kind: str) -> dict[str, Any]:
    return {"id": f"{name}-1", "controller": {"name": name, "kind": kind}}


def response(*machines: dict[str, Any], provider: str = "k8s") -> FirstResponse:
    return FirstResponse(URL, provider, "shop", list(machines), provider)


def suggested(*machines: dict[str, Any]) -> str:
    return suggestions(URL, [response(*machines)], BROKER, {})


def test_a_controller_with_machines_is_suggested_with_one_more_replica() -> None:
    text = suggested(owned("store", "StatefulSet"), owned("store", "StatefulSet"))

    assert f"curl {URL}/k8s/machines/shop\n" in text
    assert f"curl {URL}/k8s/controllers/shop/store\n" in text
    assert """-d '{"replicas": 3}'""" in text


def test_a_controller_of_each_platform_is_suggested() -> None:
    task = {"id": "0f", "controller": {"name": "store"}}
    responses = [response(owned("web", "Deployment")), response(task, provider="ecs")]

    text = suggestions(URL, responses, BROKER, {})

    assert f"curl {URL}/k8s/controllers/shop/web\n" in text
    assert f"curl {URL}/ecs/controllers/shop/store\n" in text
    assert f"""-d '{{"replicas": 2}}' {URL}/ecs/controllers/shop/store """ in text
    assert text.count("/ready") == 1


def test_controllers_that_cannot_be_scaled_are_not_suggested() -> None:
    text = suggested({"id": "alone"}, owned("agent", "DaemonSet"), owned("web", "Deployment"))

    assert "agent" not in text
    assert f"{URL}/k8s/controllers/shop/web" in text


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("k8s", "the namespace shop is empty or does not exist (--namespace names another)"),
        ("ecs", "the cluster shop runs no tasks (--cluster names another)"),
    ],
)
def test_an_empty_scope_is_explained_and_no_failure(provider: str, words: str) -> None:
    assert "controllers" not in suggested()
    assert words in response(provider=provider).shown()


def test_a_long_response_is_cut_to_the_number_of_lines() -> None:
    shown = response(*[owned("web", "Deployment")] * 5).shown(lines=6)

    assert "200, 5 machines" in shown
    assert shown.count("\n") == 9
    assert shown.endswith("… 31 more lines\n")


def test_logins_are_printed_only_for_a_broker_that_deploy_up_started() -> None:
    started = Broker("amqp://admin:1@here/", "a test", "http://here:15672", "admin", "1")
    logins = {name: f"amqp://{name}:secret@here/" for name in ("producer", "auditor", "operator")}

    text = suggestions(URL, [], started, logins)

    for url in logins.values():
        assert text.count(url) == 1
    assert "PLT_MANAGEMENT_URL  http://admin:1@here:15672\n" in text
    assert text.endswith("in this checkout: .venv/bin/python -m gateway.console")
    assert "amqp" not in suggestions(URL, [], BROKER, logins)


def test_suggestions_contain_the_provider_name() -> None:
    named = FirstResponse(URL, "k8s-eu1", "shop", [owned("web", "Deployment")], "k8s")

    text = suggestions(URL, [named], BROKER, {})

    assert f"{URL}/k8s-eu1/controllers/shop/web" in text


def test_requests_to_a_gateway_with_authentication_are_suggested_with_the_token() -> None:
    firsts = [response(owned("web", "Deployment"))]

    lines = suggestions(URL, firsts, BROKER, {}, with_token=True).splitlines()

    requests = [line for line in lines if line.startswith("  curl ")]
    assert len(requests) == 4
    assert all('-H "authorization: Bearer $PLT_TOKEN"' in line for line in requests)
    assert "authorization" not in suggestions(URL, firsts, BROKER, {})
