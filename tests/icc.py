"""The requests of the control plane's client, built and read as the client does.

It joins paths without escaping, escapes each label as a whole, and accepts only 200 with JSON.
"""

import json
from typing import Any
from urllib.parse import quote

from tests.gateway.client import Answer, Client

Json = dict[str, Any]

APP = "orders-api"
DEPLOYMENT = {"kind": "Deployment", "apiVersion": "apps/v1"}
"""Hints that the control plane sends to every platform."""
REGISTERED = {
    "platformatic.dev/monitor": "prometheus",
    "platformatic.dev/application-id": "0c1f2d",
    "platformatic.dev/deployment-id": "77aa",
}
"""The labels that the control plane sets on a machine that registers."""


def named(version: str) -> dict[str, str]:
    """Return the labels that select a version of the application."""
    return {"app.kubernetes.io/name": APP, "plt.dev/version": version}


def instance(version: str) -> dict[str, str]:
    """Return the labels of the objects of a version."""
    return {**named(version), "app.kubernetes.io/instance": f"{APP}-{version}"}


class Failed(Exception):
    """A response with a status other than 200."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status} {answer.body.decode()}")
        self.answer = answer


class ControlPlane:
    """A client for one provider and one namespace, on ECS one cluster."""

    def __init__(
        self, client: Client, namespace: str, labels_key: str = "labels", provider: str = "k8s"
    ) -> None:
        self._client = client
        self._prefix = f"/{provider}"
        self._namespace = namespace
        self._labels_key = labels_key

    async def machine(self, machine: str) -> Json:
        found: Json = await self._call("GET", f"/machines/{self._namespace}/{machine}")
        return found

    async def machines(self, labels: dict[str, str] | None = None) -> list[Json]:
        query = self._labels(labels) if labels is not None else ""
        found: list[Json] = await self._call("GET", f"/machines/{self._namespace}{query}")
        return found

    async def set_machine_labels(self, machine: str, labels: dict[str, Any]) -> Any:
        path = f"/machines/{self._namespace}/{machine}/labels"
        return await self._call("PATCH", path, {"labels": labels})

    async def pod_controller(self, machine: str) -> Json:
        found = await self._call("GET", f"/controllers/{self._namespace}?machineId={machine}")
        first: Json = found["controllers"][0]
        return first

    async def controller(self, name: str, metadata: Json) -> Json:
        path = f"/controllers/{self._namespace}/{name}{_query(metadata)}"
        found: Json = (await self._call("GET", path))["controller"]
        return found

    async def scale(self, name: str, replicas: int, metadata: Json) -> Any:
        path = f"/controllers/{self._namespace}/{name}{_query(metadata)}"
        return await self._call("POST", path, {"replicas": replicas})

    async def delete_controller(self, name: str, metadata: Json) -> Any:
        path = f"/controllers/{self._namespace}/{name}{_query(metadata)}"
        return await self._call("DELETE", path)

    async def apply(self, collection: str, manifest: Json) -> Json:
        applied: Json = await self._call("PUT", f"/{collection}/{self._namespace}", manifest)
        return applied

    async def services(self, labels: dict[str, str]) -> list[Json]:
        path = f"/services/{self._namespace}{self._labels(labels)}"
        found: list[Json] = await self._call("GET", path)
        return found

    async def delete_service(self, name: str) -> Any:
        return await self._call("DELETE", f"/services/{self._namespace}/{name}")

    async def gateways(self) -> list[Json]:
        found: list[Json] = await self._call("GET", f"/gateway/gateways/{self._namespace}")
        return found

    async def http_route(self, name: str) -> Json | None:
        try:
            found: Json = await self._call("GET", f"/gateway/httproutes/{self._namespace}/{name}")
        except Failed as failed:
            if failed.answer.status != 404:
                raise
            return None
        return found

    async def delete_http_route(self, name: str) -> Any:
        return await self._call("DELETE", f"/gateway/httproutes/{self._namespace}/{name}")

    def _labels(self, labels: dict[str, str]) -> str:
        pairs = (f"{key}={value}" for key, value in labels.items())
        return "?" + "&".join(f"{self._labels_key}={quote(pair, safe='')}" for pair in pairs)

    async def _call(self, method: str, path: str, body: Any = None) -> Any:
        target = self._prefix + path
        if body is None:
            answer = await self._client.ask(method, target)
        else:
            answer = await self._client.send(method, target, body)
        if answer.status != 200:
            raise Failed(answer)
        return json.loads(answer.body)


def _query(metadata: Json) -> str:
    return (
        "?" + "&".join(f"{k}={quote(v, safe='')}" for k, v in metadata.items()) if metadata else ""
    )
