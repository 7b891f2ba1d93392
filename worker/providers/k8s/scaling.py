"""Scaling: one PATCH, conditional on the version of the spec that this worker saw last.

A worker that was frozen or cut off can send a request, or the rest of one, after another worker
took over. The fence of the worker cannot stop bytes that are already on their way, the API server
can: a JSON patch that tests uid and generation fails once the spec has changed.

What remains:

- A first delivery to a worker that has not seen the object yet is sent without a condition, because
  one call per scaling is worth more than a read before each.
- So is one by a worker that may not read the object.
- A newer scaling to the value that the spec has already does not raise the generation, so the late
  request that it should have beaten still passes the test.
"""

import logging
from typing import Any, NamedTuple

from contracts.faults import Code
from contracts.resources import Object
from worker.memory import Memory
from worker.providers.k8s.client import Conversation
from worker.providers.k8s.errors import Again, Denied, Failure, MissingRight
from worker.providers.k8s.kinds import Kind, Place
from worker.providers.k8s.objects import Replication, Workload
from worker.providers.k8s.requests import JSON_PATCH
from worker.providers.k8s.retries import Patience

log = logging.getLogger(__name__)

VERSIONS_REMEMBERED = 10_000
VERSION_LIFETIME_S = 3600


class SpecVersion(NamedTuple):
    """The version of an object's spec: the status does not change it, every new spec does.

    `replicas` is the wanted number of machines in that spec, None if the answer did not name it.
    """

    uid: str
    generation: int
    replicas: int | None

    def is_same(self, other: "SpecVersion | None") -> bool:
        """Return whether another version is the same one."""
        return other is not None and self[:2] == other[:2]


class SpecVersions:
    """The spec versions of controllers as the API server reported them last to this worker.

    A stale version costs two more calls, a missing one the protection.
    """

    def __init__(self) -> None:
        self._seen: Memory[tuple[str, str, str], SpecVersion] = Memory(
            VERSIONS_REMEMBERED, VERSION_LIFETIME_S
        )

    def get(self, kind: Place, namespace: str, name: str) -> SpecVersion | None:
        """Return the version seen last, None if there is none."""
        return self._seen.get((kind.name, namespace, name))

    def learn(
        self, kind: Place, namespace: str, found: Workload | Replication
    ) -> SpecVersion | None:
        """Remember and return the version in an answer, None if the answer has no generation."""
        metadata = found.metadata
        if metadata.generation is None:
            return None
        version = SpecVersion(metadata.uid, metadata.generation, found.spec.replicas)
        self._put(kind, namespace, metadata.name, version)
        return version

    def learn_from(self, kind: Place, namespace: str, found: Object) -> None:
        """Remember the version of an object that was not decoded into a struct."""
        metadata, replicas = found["metadata"], (found.get("spec") or {}).get("replicas")
        uid, generation = metadata.get("uid"), metadata.get("generation")
        if isinstance(uid, str) and isinstance(generation, int):
            known = replicas if isinstance(replicas, int) else None
            self._put(kind, namespace, metadata["name"], SpecVersion(uid, generation, known))

    def forget(self, kind: Place, namespace: str, name: str) -> None:
        """Drop the version of an object that is gone."""
        self._seen.forget((kind.name, namespace, name))

    def _put(self, kind: Place, namespace: str, name: str, version: SpecVersion) -> None:
        self._seen.put((kind.name, namespace, name), version)


class Scaling:
    """The scaling of one controller, in one call."""

    def __init__(
        self, talk: Conversation, versions: SpecVersions, kind: Kind, namespace: str, name: str
    ) -> None:
        self._talk = talk
        self._versions = versions
        self._kind = kind
        self._namespace = namespace
        self._name = name
        self._path = kind.path(namespace, name)

    async def run(
        self, replicas: int, *, read_first: bool
    ) -> tuple[Workload | Replication, int | None]:
        """Set the replicas; return the controller as it is then, and the wanted number before.

        That is known if the first request was conditional on a version and passed: after a refusal
        a request of this run whose answer was lost may be what changed the spec.

        With `read_first` a controller whose version is not known is read before it is written:
        another worker may still have a request for it on the way.
        """
        version = self._versions.get(self._kind, self._namespace, self._name)
        if version is None and read_first:
            version = await self._read()
        patience = Patience()
        is_second_look = False
        while True:
            try:
                found = await self._write(replicas, version)
            except Failure as failure:
                is_denied = isinstance(failure, Denied)
                if is_denied or failure.code is not Code.PLATFORM_INVALID or version is None:
                    raise
                refusal = failure
            else:
                return found, version.replicas if version and not is_second_look else None
            if is_second_look:
                await self._talk.wait(_overtaken(refusal), patience)
            is_second_look = True
            # A test that fails and a value that is not valid are both 422, and the words differ
            # between versions of the API server: if the version tested is still the current one,
            # the API server refused the value.
            latest = await self._read()
            if version.is_same(latest):
                raise refusal
            version = latest

    async def _read(self) -> SpecVersion | None:
        try:
            live: Workload | Replication = await self._talk.get(self._path, self._kind.shape)
        except MissingRight as fault:
            log.warning("%s is scaled without a condition: %s", self._path, fault.message)
            return None
        return self._versions.learn(self._kind, self._namespace, live)

    async def _write(self, replicas: int, version: SpecVersion | None) -> Workload | Replication:
        shape = self._kind.shape
        found: Workload | Replication
        try:
            if version is None:
                patch = {"spec": {"replicas": replicas}}
                found = await self._talk.patch(self._path, patch, shape)
            else:
                operations = _if_at(version, replicas)
                found = await self._talk.patch(self._path, operations, shape, JSON_PATCH)
        except Failure as failure:
            if failure.code is Code.NOT_FOUND:
                self._versions.forget(self._kind, self._namespace, self._name)
            raise
        self._versions.learn(self._kind, self._namespace, found)
        return found


def _if_at(version: SpecVersion, replicas: int) -> list[dict[str, Any]]:
    """The JSON patch that sets replicas if the spec is still at a version."""
    return [
        {"op": "test", "path": "/metadata/uid", "value": version.uid},
        {"op": "test", "path": "/metadata/generation", "value": version.generation},
        # Unlike "replace", "add" also works where the object does not name its replicas.
        {"op": "add", "path": "/spec/replicas", "value": replicas},
    ]


def _overtaken(refusal: Failure) -> Failure:
    return Failure(refusal.code, refusal.message, again=Again.CONFLICT)
