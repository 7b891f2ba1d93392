"""The present state of addresses, from the queries of the API."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from contracts.address import word
from contracts.api import GetControllers, GetHttpRoute, GetMachines, GetServicesByLabels
from contracts.operation import Operation
from contracts.records.route_state import member, objects, route_state
from contracts.resources import Object
from gateway.audit.drift import Found
from gateway.audit.states import State

Ask = Callable[[Operation[Any]], Awaitable[Any]]
"""Returns the body of a reply, None for 404; raises Unanswered."""

Progress = Callable[[int, int], None]

ABSENT = Found()
NO_SECRETS = Found(unknown="the API does not show secrets")
NO_LABELS = Found(unknown="the API finds services by their labels, and the audit has none")


class Unanswered(Exception):
    """A query that a platform did not answer, with the reason."""


class Platform:
    """The platform of one provider. The controllers and machines of a scope are listed once."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._controllers: dict[str, asyncio.Task[list[Object] | str]] = {}
        self._machines: dict[str, asyncio.Task[list[Object] | str]] = {}

    async def look(self, states: Iterable[State], progress: Progress) -> dict[str, Found]:
        """Return what the platform has at each address."""
        wanted = list(states)
        done = 0

        async def one(state: State) -> Found:
            nonlocal done
            found = await self._look(state)
            done += 1
            progress(done, len(wanted))
            return found

        found = await asyncio.gather(*map(one, wanted))
        return {state.address: each for state, each in zip(wanted, found, strict=True)}

    async def controllers(self, scope: str) -> list[Object]:
        """Return the controllers of a scope; none if they cannot be listed."""
        listed = await self._list_controllers(scope)
        return listed if isinstance(listed, list) else []

    async def _look(self, state: State) -> Found:
        try:
            match state.collection:
                case "controllers":
                    return await self._controller(state)
                case "machines":
                    return await self._machine(state)
                case "httproutes":
                    return await self._route(state)
                case "services":
                    return await self._service(state)
        except Unanswered as error:
            return Found(unknown=str(error))
        return NO_SECRETS

    async def _controller(self, state: State) -> Found:
        listed = await self._list_controllers(state.scope)
        if isinstance(listed, str):
            return Found(unknown=listed)
        same = [each for each in listed if word(str(each.get("name"))) == word(state.name)]
        if not same:
            return ABSENT
        found = same[0]
        machines = await self._list_machines(state.scope)
        images = _images(found, machines) if isinstance(machines, list) else []
        members = {"replicas": found.get("replicas"), "labels": found.get("labels")}
        return Found(
            members=members | ({"images": images} if images else {}),
            deleting=bool(found.get("deleting")),
        )

    async def _machine(self, state: State) -> Found:
        listed = await self._list_machines(state.scope)
        if isinstance(listed, str):
            return Found(unknown=listed)
        labels = (each["labels"] for each in listed if word(each["id"]) == word(state.name))
        found = next(labels, None)
        return ABSENT if found is None else Found(members={"labels": found})

    async def _route(self, state: State) -> Found:
        found = await self._ask(GetHttpRoute(state.scope, state.name))
        if found is None:
            return ABSENT
        is_leaving = member(found, "metadata").get("deletionTimestamp") is not None
        return Found(members=route_state(found), deleting=is_leaving)

    async def _service(self, state: State) -> Found:
        """Find a service by all its labels, else by each: one of them may have changed."""
        labels = state.last_labels
        if not labels:
            return NO_LABELS
        for wanted in (labels, *({name: value} for name, value in labels.items())):
            for each in await self._ask(GetServicesByLabels(state.scope, wanted)) or []:
                if word(each["name"]) == word(state.name):
                    ports = [
                        f"{port['port']}/{port['protocol']}" for port in objects(each, "ports")
                    ]
                    return Found(members={"labels": each["labels"], "ports": ports})
        return ABSENT

    async def _list_controllers(self, scope: str) -> list[Object] | str:
        if scope not in self._controllers:
            listing = self._list(GetControllers(scope), "controllers")
            self._controllers[scope] = asyncio.create_task(listing)
        return await self._controllers[scope]

    async def _list_machines(self, scope: str) -> list[Object] | str:
        if scope not in self._machines:
            self._machines[scope] = asyncio.create_task(self._list(GetMachines(scope)))
        return await self._machines[scope]

    async def _list(
        self, operation: Operation[Any], envelope: str | None = None
    ) -> list[Object] | str:
        """Return the resources of a scope, or the reason why they are not known."""
        try:
            listed = await self._ask(operation)
        except Unanswered as error:
            return str(error)
        if envelope is not None:
            listed = (listed or {}).get(envelope)
        return listed or []


def _images(controller: Object, machines: list[Object]) -> list[str]:
    """Return the images of the machines of a controller, without duplicates."""
    kind = member(controller, "providerMetadata").get("kind")
    own = [
        each
        for each in machines
        if member(each, "controller").get("name") == controller.get("name")
        and member(each, "controller").get("kind") in (None, kind)
    ]
    return list(dict.fromkeys(each["image"] for each in own if isinstance(each.get("image"), str)))
