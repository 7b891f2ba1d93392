"""Requests to an API server that are no operations of machinist, as the user of the workers."""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from typing import Any, Self

import httpx
from anyio.from_thread import start_blocking_portal

from contracts.process.environment import load
from deploy.failed import Failed
from worker.providers.k8s.api.connection import transport
from worker.providers.k8s.api.credentials import Token, Trust
from worker.providers.k8s.settings import Settings

Object = dict[str, Any]

NOT_FOUND = 404


class Api:
    """A client of an API server. An error response raises Failed with the server's message."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        settings = load(Settings, environment)
        trust = Trust(settings)
        token = Token(settings.k8s_token_path) if settings.k8s_auth_type == "token" else None

        def signed(request: httpx.Request) -> httpx.Request:
            if token is not None:
                request.headers["Authorization"] = f"Bearer {token.text()}"
            return request

        self._stack = ExitStack()
        # The transport of workers uses the same proxies and TLS. Its event loop runs in a thread.
        self._loop = self._stack.enter_context(start_blocking_portal())
        self._http = httpx.AsyncClient(
            base_url=settings.k8s_rest_api_url,
            transport=transport(settings, trust, environment),
            auth=signed,
            timeout=30,
            trust_env=False,
        )
        self._stack.callback(self._loop.call, self._http.aclose)

    def get(self, path: str) -> Object | None:
        """Return an object, or None if it does not exist."""
        return self._send("GET", path)

    def items(self, path: str) -> list[Object]:
        """Return the objects of a collection; empty if the cluster does not have the kind."""
        return (self._send("GET", path) or {}).get("items") or []

    def create(self, path: str, body: Object) -> Object:
        """Create an object in a collection."""
        created = self._send("POST", path, body)
        if created is None:
            raise Failed(f"POST {path}: the cluster has no such collection")
        return created

    def replace(self, path: str, body: Object) -> None:
        """Replace an object or a subresource; an object that does not exist is left alone."""
        self._send("PUT", path, body)

    def delete(self, path: str, **options: str) -> bool:
        """Delete an object or a collection, and return whether it existed."""
        return self._send("DELETE", path, query=options) is not None

    def _send(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Object | None:
        try:
            answer = self._loop.call(
                partial(self._http.request, method, path, json=body, params=query)
            )
        except httpx.HTTPError as error:
            raise Failed(f"{method} {self._http.base_url}{path}: {error!r}") from error
        if answer.status_code == NOT_FOUND:
            return None
        if not answer.is_success:
            raise Failed(f"{method} {path}: {answer.status_code}: {_message(answer)}")
        found: Object = answer.json()
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _message(answer: httpx.Response) -> str:
    """Return the message of a Kubernetes Status, or the start of another body."""
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text[:200]
