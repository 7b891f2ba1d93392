"""Scaling: one PATCH, conditional on the version of the spec that this worker saw last.

A worker that was frozen or cut off can send a request, or the rest of one, after another worker
took over. The fence of the worker cannot stop bytes that are already on their way, the API server
can: a JSON patch that tests uid and generation fails once the spec has changed.

Every request also tests that nothing owns the object and that the object is not being deleted: the
owner would undo the scaling, and nothing acts on what is being deleted. A test that fails is looked
into by a read.

What remains:

- A first delivery to a worker that has not seen the object yet names no version, because one call
  per scaling is worth more than a read before each.
- So does one by a worker that may not read the object.
- A newer scaling to the value that the spec has already does not raise the generation, so the late
  request that it should have beaten still passes the test.
"""

import logging
from typing import Any, NamedTuple

from contracts.faults import Code
from contracts.resources import Object
from worker.providers.k8s.api.client import BoundClient
from worker.providers.k8s.api.errors import Absent, Again, Denied, Failure, MissingRight
from worker.providers.k8s.api.requests import JSON_PATCH
from worker.providers.k8s.api.retries import Patience
from worker.providers.k8s.controllers.owners import owner_of
from worker.providers.k8s.kinds import Kind, ResourceType
from worker.providers.k8s.objects import Metadata, Replication, Workload
from worker.ttl_cache import TtlCache

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
    has_owners: bool = False
    """Whether it has owner references, though none of a controller."""

    def is_same(self, other: "SpecVersion | None") -> bool:
        """Return whether another version is the same one."""
        return other is not None and self[:2] == other[:2]


class SpecVersions:
    """The spec versions of controllers as the API server reported them last to this worker.

    A stale version costs two more calls, a missing one the protection.
    """

    def __init__(self) -> None:
        self._seen: TtlCache[tuple[str, str, str], SpecVersion] = TtlCache(
            VERSIONS_REMEMBERED, VERSION_LIFETIME_S
        )

    def get(self, kind: ResourceType, namespace: str, name: str) -> SpecVersion | None:
        """Return the version seen last, None if there is none."""
        return self._seen.get((kind.name, namespace, name))

    def learn(
        self, kind: ResourceType, namespace: str, found: Workload | Replication
    ) -> SpecVersion | None:
        """Remember and return the version in an answer, None if the answer has no generation."""
        metadata = found.metadata
        if metadata.generation is None:
            return None
        owners = _only_referred([each.controller for each in metadata.owner_references or ()])
        version = SpecVersion(metadata.uid, metadata.generation, found.spec.replicas, owners)
        self._put(kind, namespace, metadata.name, version)
        return version

    def learn_from(self, kind: ResourceType, namespace: str, found: Object) -> None:
        """Remember the version of an object that was not decoded into a struct."""
        metadata, replicas = found["metadata"], (found.get("spec") or {}).get("replicas")
        uid, generation = metadata.get("uid"), metadata.get("generation")
        if isinstance(uid, str) and isinstance(generation, int):
            known = replicas if isinstance(replicas, int) else None
            references = metadata.get("ownerReferences") or []
            owners = _only_referred([each.get("controller") for each in references])
            version = SpecVersion(uid, generation, known, owners)
            self._put(kind, namespace, metadata["name"], version)

    def forget(self, kind: ResourceType, namespace: str, name: str) -> None:
        """Drop the version of an object that is gone."""
        self._seen.forget((kind.name, namespace, name))

    def _put(self, kind: ResourceType, namespace: str, name: str, version: SpecVersion) -> None:
        self._seen.put((kind.name, namespace, name), version)


def _only_referred(controllers: list[bool | None]) -> bool:
    """Whether there are owner references, none of them to a controller."""
    return bool(controllers) and not any(controllers)


class Scaling:
    """The scaling of one controller, in one call."""

    def __init__(
        self, kube: BoundClient, versions: SpecVersions, kind: Kind, namespace: str, name: str
    ) -> None:
        self._talk = kube
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
                if isinstance(failure, Denied) or failure.code is not Code.PLATFORM_INVALID:
                    raise
                refusal = failure
            else:
                return found, version.replicas if version and not is_second_look else None
            if is_second_look:
                await self._talk.wait(_overtaken(refusal), patience)
            is_second_look = True
            # A test that fails and a value that is not valid are both 422, and the words differ
            # between versions of the API server: if the tests would pass on what is read now, the
            # API server refused the value.
            latest = await self._read()
            if _passes(latest, version):
                raise refusal
            if latest is None and version is None:
                raise _unexplained(self._kind, self._name, refusal)
            version = latest

    async def _read(self) -> SpecVersion | None:
        try:
            live: Workload | Replication = await self._talk.get(self._path, self._kind.shape)
        except MissingRight as fault:
            log.warning("%s is scaled whatever its version: %s", self._path, fault.message)
            return None
        _refuse_unscalable(self._kind, live.metadata)
        return self._versions.learn(self._kind, self._namespace, live)

    async def _write(self, replicas: int, version: SpecVersion | None) -> Workload | Replication:
        shape = self._kind.shape
        found: Workload | Replication
        try:
            operations = _if_at(version, replicas)
            found = await self._talk.patch(self._path, operations, shape, JSON_PATCH)
        except Failure as failure:
            if isinstance(failure, Absent):
                self._versions.forget(self._kind, self._namespace, self._name)
            raise
        self._versions.learn(self._kind, self._namespace, found)
        return found


def _if_at(version: SpecVersion | None, replicas: int) -> list[dict[str, Any]]:
    """The JSON patch that sets replicas if the spec is still at a version, and nothing owns it."""
    tests: dict[str, Any] = {}
    if version is not None:
        # The generation rises with the start of a deletion too.
        tests |= {"/metadata/uid": version.uid, "/metadata/generation": version.generation}
    else:
        tests["/metadata/deletionTimestamp"] = None
    if version is None or not version.has_owners:
        tests["/metadata/ownerReferences"] = None
    # The API server takes an absent member for null. Unlike "replace", "add" also works where the
    # object does not name its replicas.
    return [
        *({"op": "test", "path": path, "value": value} for path, value in tests.items()),
        {"op": "add", "path": "/spec/replicas", "value": replicas},
    ]


def _passes(latest: SpecVersion | None, tested: SpecVersion | None) -> bool:
    """Whether the tests of a request pass on what was read after its refusal."""
    if latest is None:
        return False
    owners_fit = not latest.has_owners or (tested is not None and tested.has_owners)
    return owners_fit and (tested is None or tested.is_same(latest))


def _refuse_unscalable(kind: Kind, metadata: Metadata) -> None:
    """Raise where a scaling would be undone or ignored: owned by a controller, or being deleted."""
    what = f'the {kind.name} "{metadata.name}"'
    if metadata.deletion_timestamp is not None:
        waiting = ", ".join(metadata.finalizers or ["none"])
        raise Failure(
            Code.CONFLICT,
            f"{what} is being deleted and not gone yet, so that no machines are started or stopped "
            f"for it; its finalizers: {waiting}",
        )
    owner = owner_of(metadata)
    if owner is not None:
        raise Failure(
            Code.CONFLICT,
            f'{what} is owned by the {owner.kind} "{owner.name}", which decides about its replicas '
            f"and would undo this: scale the {owner.kind} instead",
        )


def _unexplained(kind: Kind, name: str, refusal: Failure) -> Failure:
    return Failure(
        Code.CONFLICT,
        f'the {kind.name} "{name}" was not scaled: it has an owner, or it is being deleted, or the '
        f"API server refuses the value; the worker may not read it to say which: {refusal.message}",
    )


def _overtaken(refusal: Failure) -> Failure:
    return Failure(refusal.code, refusal.message, again=Again.CONFLICT)
