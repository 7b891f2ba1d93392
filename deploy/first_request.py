"""The first request through everything, and what one could try after it."""

import json

import httpx

from deploy.failed import Failed
from deploy.rabbitmq.broker import Broker

PATH = "/k8s/machines/default"
LINES = 24


def make(gateway: str) -> str:
    """Ask the gateway for the machines of a namespace and return the answer, fit for a screen."""
    try:
        answer = httpx.get(gateway + PATH, timeout=30, trust_env=False)
    except httpx.TransportError as error:
        raise Failed(f"GET {gateway}{PATH}: {error!r}, expected an answer") from error
    if answer.status_code != 200:
        raise Failed(f"GET {gateway}{PATH}: {answer.status_code} {answer.text}, expected 200")
    machines = answer.json()
    if not machines:
        raise Failed(f"GET {gateway}{PATH}: an empty list, expected the sandbox's machines")
    return f"200, {len(machines)} machines\n\n{_cut(json.dumps(machines, indent=2))}"


def next_things(gateway: str, broker: Broker) -> str:
    controllers = f"{gateway}/k8s/controllers/default"
    lines = [
        "Try next:",
        f"  curl {gateway}{PATH}",
        f"  curl {controllers}/hello",
        f"  curl -X POST -H 'content-type: application/json' -d '{{\"replicas\":3}}' "
        f"{controllers}/hello",
        f"  curl {gateway}/ready",
        "",
        f"Documentation  {gateway}/documentation",
    ]
    if broker.management_url:
        lines.append(f"RabbitMQ       {broker.management_url}")
        lines.append(f"               user {broker.user}, password {broker.password}")
    return "\n".join(lines)


def _cut(text: str) -> str:
    lines = text.splitlines()
    more = [f"… {len(lines) - LINES} more lines"] if len(lines) > LINES else []
    return "\n".join(f"  {line}" for line in lines[:LINES] + more)
