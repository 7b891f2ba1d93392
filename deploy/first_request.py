"""The first request to each platform through the whole system, and suggestions for the next."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import httpx

from contracts.broker_users import AUDITOR, OPERATOR, PRODUCER
from deploy.failed import Failed
from deploy.rabbitmq.broker import Broker
from deploy.targets import Target

LINES = 24
"""Lines of all responses together, so that they fit on one screen."""

EMPTY = {
    "k8s": "the namespace {} is empty or does not exist (--namespace names another)",
    "ecs": "the cluster {} runs no tasks (--cluster names another)",
}
SCALABLE = {
    "k8s": ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"),
    "ecs": (None,),
}
"""Kinds of controllers that can be scaled; ECS has one kind and does not name it."""
WITH_TOKEN = '-H "authorization: Bearer $PLT_TOKEN"'
COMMAND_LINE = ".venv/bin/python -m gateway.console"
USERS = {
    PRODUCER: "publishes events (deploy/producers)",
    AUDITOR: "reads the audit (machinist audit list)",
    OPERATOR: "queries, scales and handles dead letters (machinist); management UI",
}
"""The broker users for people, with their purpose."""


@dataclass(frozen=True)
class FirstResponse:
    """A gateway's response: the machines of a scope."""

    gateway: str
    provider: str
    scope: str
    machines: list[dict[str, Any]]
    platform: str

    @property
    def path(self) -> str:
        return f"/{self.provider}/machines/{self.scope}"

    @property
    def url(self) -> str:
        return self.gateway + self.path

    def shown(self, lines: int = LINES) -> str:
        """Return the response, cut to a number of lines."""
        if not self.machines:
            return f"200, no machines: {EMPTY[self.platform].format(self.scope)}"
        answer = _cut(json.dumps(self.machines, indent=2), lines)
        return f"200, {len(self.machines)} machines\n\n{answer}\n"


def send(gateway: str, target: Target, headers: Mapping[str, str]) -> FirstResponse:
    """Request the machines of the target's scope."""
    first = FirstResponse(gateway, target.provider, target.scope, [], target.platform)
    try:
        answer = httpx.get(first.url, headers=headers, timeout=30, trust_env=False)
    except httpx.TransportError as error:
        raise Failed(f"GET {first.url}: {error!r}, expected an answer") from error
    if answer.status_code != 200:
        raise Failed(f"GET {first.url}: {answer.status_code} {answer.text}, expected 200")
    return replace(first, machines=answer.json())


def suggestions(
    gateway: str,
    firsts: Sequence[FirstResponse],
    broker: Broker,
    logins: Mapping[str, str],
    *,
    with_token: bool = False,
) -> str:
    """Return requests to paste, for controllers that exist, and the logins of the broker.

    `logins` maps broker users to their AMQP URLs. `with_token`: requests need the caller's token.
    """
    lines = ["Try next:"]
    for first in firsts:
        lines += [f"  curl {first.url}", *_about_one_controller(first)]
    lines += [f"  curl {gateway}/ready", "", f"Live page      {gateway}/"]
    lines.append(f"Documentation  {gateway}/documentation")
    if with_token:
        lines = [line.replace("  curl ", f"  curl {WITH_TOKEN} ") for line in lines]
    if broker.management_url:
        lines.append(f"RabbitMQ       {broker.management_url}")
        lines.append(f"               user {broker.user}, password {broker.password}")
        lines.append(f"PLT_AMQP_URL   {broker.amqp_url}")
        login = f"{broker.user}:{broker.password}@"
        management = broker.management_url.replace("//", f"//{login}", 1)
        lines.append(f"PLT_MANAGEMENT_URL  {management}")
        lines.append(f"{'':<14} with both variables, `machinist doctor` checks this system")
        lines += [f"{name:<14} {logins[name]}\n{'':<14} {use}" for name, use in USERS.items()]
        lines.append(f"{'machinist':<14} in this checkout: {COMMAND_LINE}")
    return "\n".join(lines)


def _about_one_controller(first: FirstResponse) -> list[str]:
    owners = [machine["controller"] for machine in first.machines if "controller" in machine]
    kinds = SCALABLE[first.platform]
    names = [owner["name"] for owner in owners if owner.get("kind") in kinds]
    if not names:
        return []
    controller = f"{first.gateway}/{first.provider}/controllers/{first.scope}/{names[0]}"
    more = json.dumps({"replicas": names.count(names[0]) + 1})
    scale = f"  curl -X POST -H 'content-type: application/json' -d '{more}' {controller}"
    return [f"  curl {controller}", f"{scale}  # starts one more machine"]


def _cut(text: str, lines: int) -> str:
    whole = text.splitlines()
    more = [f"… {len(whole) - lines} more lines"] if len(whole) > lines else []
    return "\n".join(f"  {line}" for line in whole[:lines] + more)
