"""The usual way: an HTTP service that asks the API server for each request.

It has no broker and no informers, and neither retries, deadlines nor an audit. The owners of a pod
are read by name until an object has none; a request reads each owner once, all owners at the same
time. The routes and the responses are those of a gateway. The decoders and the translation are
those of the worker, and the client is aiohttp: a service with plain dictionaries would be slower.
"""

import asyncio
import os
from collections.abc import Awaitable
from typing import Any, TypeVar

import aiohttp
import msgspec
import uvicorn
from litestar import Litestar, Response, get, post
from msgspec import Struct

from contracts.process.environment import load
from contracts.resources import Controllers, Machine, OneController
from tests.bench.requests import KUBERNETES, MERGE_PATCH
from worker.providers.k8s import kinds, selectors, translate
from worker.providers.k8s.api.credentials import Token, Trust
from worker.providers.k8s.controllers.owners import owner_of
from worker.providers.k8s.kinds import DEPLOYMENTS, PODS, Kind
from worker.providers.k8s.objects import ListOf, OwnerReference, Pod, Replication, Workload
from worker.providers.k8s.settings import Settings

Found = TypeVar("Found")
AnyWorkload = Workload | Replication
MACHINES = f"/{KUBERNETES}/machines/{{namespace:str}}"
CONTROLLERS = f"/{KUBERNETES}/controllers/{{namespace:str}}"
JSON = "application/json"


class Top(Struct, frozen=True):
    """The last owner of a pod, and its object if it is a controller."""

    reference: OwnerReference
    kind: Kind | None
    workload: AnyWorkload | None


class ApiServer:
    """A client of the API server, which counts its requests."""

    def __init__(self, settings: Settings) -> None:
        self.requests = 0
        self._base = settings.k8s_rest_api_url
        self._context = Trust(settings).context
        self._token = Token(settings.k8s_token_path) if settings.k8s_auth_type == "token" else None

    async def open(self) -> None:
        connector = aiohttp.TCPConnector(ssl=self._context or False)
        # Without compression, as in the other ways: it costs the API server CPU.
        plain = {"accept-encoding": "identity"}
        self._http = aiohttp.ClientSession(connector=connector, headers=plain, trust_env=False)

    async def close(self) -> None:
        await self._http.close()

    async def send(
        self, method: str, path: str, shape: type[Found], body: Any = None, **query: str
    ) -> Found:
        self.requests += 1
        headers = {"content-type": MERGE_PATCH} if body is not None else {}
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token.text()}"
        content = None if body is None else msgspec.json.encode(body)
        sent = self._http.request(
            method, self._base + path, data=content, headers=headers, params=query
        )
        async with sent as response:
            answer = await response.read()
            response.raise_for_status()
        return msgspec.json.decode(answer, type=shape)


class Namespace:
    """The reads of one request in a namespace."""

    def __init__(self, api: ApiServer, name: str) -> None:
        self._api = api
        self._name = name
        self._owners: dict[str, asyncio.Future[AnyWorkload]] = {}

    async def pod(self, name: str) -> Pod:
        return await self._api.send("GET", PODS.path(self._name, name), Pod)

    async def pods(self, **query: str) -> list[Pod]:
        listed = await self._api.send("GET", PODS.path(self._name), ListOf[Pod], **query)
        return [pod for pod in listed.items or () if not translate.is_finished(pod)]

    async def controller(self, name: str) -> AnyWorkload:
        return await self._api.send("GET", DEPLOYMENTS.path(self._name, name), DEPLOYMENTS.shape)

    async def owned(self, pods: list[Pod]) -> list[tuple[Pod, Top | None]]:
        """Return each pod with the last owner in its chain."""
        return list(zip(pods, await asyncio.gather(*map(self._top, pods)), strict=True))

    async def _top(self, pod: Pod) -> Top | None:
        top: Top | None = None
        owner = owner_of(pod.metadata)
        while owner is not None:
            kind = kinds.of_owner(owner)
            workload = None if kind is None else await self._owner(kind, owner)
            top = Top(owner, kind, workload)
            owner = None if workload is None else owner_of(workload.metadata)
        return top

    def _owner(self, kind: Kind, owner: OwnerReference) -> Awaitable[AnyWorkload]:
        if owner.uid not in self._owners:
            path = kind.path(self._name, owner.name)
            reading = self._api.send("GET", path, kind.shape)
            self._owners[owner.uid] = asyncio.ensure_future(reading)
        return self._owners[owner.uid]


def application(api: ApiServer) -> Litestar:
    """Return the service."""

    @get(f"{MACHINES}/{{name:str}}")
    async def machine(namespace: str, name: str) -> Response[bytes]:
        reads = Namespace(api, namespace)
        [found] = await reads.owned([await reads.pod(name)])
        return _response(_machine(*found))

    @get(MACHINES)
    async def machines(namespace: str) -> Response[bytes]:
        reads = Namespace(api, namespace)
        found = await reads.owned(await reads.pods())
        return _response([_machine(pod, top) for pod, top in found])

    @get(CONTROLLERS)
    async def controllers(namespace: str) -> Response[bytes]:
        reads = Namespace(api, namespace)
        found = await reads.owned(await reads.pods())
        unique = {top.reference.uid: top for _, top in found if top is not None}
        shown = [
            translate.controller(top.kind, top.workload)
            for top in unique.values()
            if top.kind is not None and top.workload is not None
        ]
        return _response(Controllers(shown))

    @get(f"{CONTROLLERS}/{{name:str}}")
    async def controller(namespace: str, name: str) -> Response[bytes]:
        reads = Namespace(api, namespace)
        workload = await reads.controller(name)
        selector = selectors.of_controller(workload)
        found = await reads.owned(await reads.pods(labelSelector=selector.text) if selector else [])
        uid = workload.metadata.uid
        own = [_machine(pod, top) for pod, top in found if top and top.reference.uid == uid]
        return _response(OneController(translate.controller(DEPLOYMENTS, workload, own)))

    @post(f"{CONTROLLERS}/{{name:str}}", status_code=200)
    async def scale(namespace: str, name: str, data: dict[str, int]) -> Response[bytes]:
        patch = {"spec": {"replicas": data["replicas"]}}
        path = DEPLOYMENTS.path(namespace, name)
        found = await api.send("PATCH", path, DEPLOYMENTS.shape, patch)
        return _response(translate.controller(DEPLOYMENTS, found))

    @get("/requests")
    async def requests() -> int:
        """Return the number of requests to the API server so far."""
        return api.requests

    return Litestar(
        [machine, machines, controllers, controller, scale, requests],
        on_startup=[api.open],
        on_shutdown=[api.close],
        openapi_config=None,
    )


def _machine(pod: Pod, top: Top | None) -> Machine:
    return translate.machine(pod, top.reference if top else None)


def _response(found: Any) -> Response[bytes]:
    return Response(msgspec.json.encode(found), media_type=JSON)


def main() -> None:
    api = ApiServer(load(Settings, os.environ))
    uvicorn.run(
        application(api),
        host="127.0.0.1",
        port=int(os.environ["PLT_PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
