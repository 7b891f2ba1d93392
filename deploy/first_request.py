"""The first request through everything, and what one could try after it."""

import json
from dataclasses import dataclass
from typing import Any

import httpx

from deploy.failed import Failed
from deploy.rabbitmq.broker import Broker

LINES = 24
SCALABLE = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")


@dataclass(frozen=True)
class First:
    """The machines of a namespace, as the gateway described them."""

    gateway: str
    namespace: str
    machines: list[dict[str, Any]]

    @property
    def path(self) -> str:
        return f"/k8s/machines/{self.namespace}"

    @property
    def url(self) -> str:
        return self.gateway + self.path

    def __str__(self) -> str:
        """The answer, fit for a screen."""
        if not self.machines:
            return (
                f"200, no machines: the namespace {self.namespace} is empty or does not exist "
                "(--namespace names another)"
            )
        return f"200, {len(self.machines)} machines\n\n{_cut(json.dumps(self.machines, indent=2))}"


def make(gateway: str, namespace: str) -> First:
    """Ask the gateway for the machines of a namespace."""
    first = First(gateway, namespace, [])
    try:
        answer = httpx.get(first.url, timeout=30, trust_env=False)
    except httpx.TransportError as error:
        raise Failed(f"GET {first.url}: {error!r}, expected an answer") from error
    if answer.status_code != 200:
        raise Failed(f"GET {first.url}: {answer.status_code} {answer.text}, expected 200")
    return First(gateway, namespace, answer.json())


def next_things(first: First, broker: Broker) -> str:
    """Requests to paste, about things that are there."""
    lines = ["Try next:", f"  curl {first.url}", *_about_one_controller(first)]
    lines += [
        f"  curl {first.gateway}/ready",
        "",
        f"Documentation  {first.gateway}/documentation",
    ]
    if broker.management_url:
        lines.append(f"RabbitMQ       {broker.management_url}")
        lines.append(f"               user {broker.user}, password {broker.password}")
        lines.append(f"PLT_AMQP_URL   {broker.amqp_url}")
    return "\n".join(lines)


def _about_one_controller(first: First) -> list[str]:
    owners = [machine.get("controller", {}) for machine in first.machines]
    names = [owner["name"] for owner in owners if owner.get("kind") in SCALABLE]
    if not names:
        return []
    controller = f"{first.gateway}/k8s/controllers/{first.namespace}/{names[0]}"
    more = json.dumps({"replicas": names.count(names[0]) + 1})
    scale = f"  curl -X POST -H 'content-type: application/json' -d '{more}' {controller}"
    return [f"  curl {controller}", f"{scale}  # starts one more machine of it"]


def _cut(text: str) -> str:
    lines = text.splitlines()
    more = [f"… {len(lines) - LINES} more lines"] if len(lines) > LINES else []
    return "\n".join(f"  {line}" for line in lines[:LINES] + more)
