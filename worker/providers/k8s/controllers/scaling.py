"""Scale a controller by one PATCH that is conditional on the newest spec version the worker knows.

The version is from an informer, or from the last response about the controller.

A worker that was frozen or disconnected can send a request, or the rest of one, after another
worker took over. The worker's fence cannot stop bytes in flight, but the API server can: a JSON
patch that tests uid and generation fails after the spec has changed.

Every request also tests that the object has no owner and is not being deleted: an owner would undo
the scaling, and an object that is being deleted starts no machines. After a failed test the object
is read to find the reason.

Remaining gaps:

- A worker that does not know the object sends a command that is delivered for the first time
  without a version test, to save a read before each scaling.
- A worker without the right to read the object never has a version to test.
- A newer scaling to the current value does not raise the generation, so a late older request still
  passes the test.
"""

import logging
from typing import Any, NamedTuple

import msgspec

from contracts.faults import Code
from contracts.resources import Object
from worker.providers.k8s.api.client import BoundClient
from worker.providers.k8s.api.errors import Absent, Again, Denied, Failure, MissingRight
from worker.providers.k8s.api.requests import JSON_PATCH
from worker.providers.k8s.api.retries import RetryBudget
from worker.providers.k8s.controllers.owners import owner_of
from worker.providers.k8s.informers.in_use import Informers
from worker.providers.k8s.kinds import Kind, ResourceType
from worker.providers.k8s.objects import Metadata, Replication, Workload
from worker.ttl_cache import TtlCache

log = logging.getLogger(__name__)

VERSIONS_REMEMBERED = 10_000
VERSION_LIFETIME_S = 3600


class SpecVersion(NamedTuple):
    """The version of an object's spec; a changed status does not change it.

    `replicas` is the desired count in that spec, None if the response did not have it.
    """

    uid: str
    generation: int
    replicas: int | None
    has_owners: bool = False
    """True if the object has owner references, but no controlling owner."""

    def is_same(self, other: "SpecVersion | None") -> bool:
        """Return whether two versions are equal, apart from `replicas` and `has_owners`."""
        return other is not None and self[:2] == other[:2]

    def is_later(self, other: "SpecVersion | None") -> bool:
        """Return whether another version is of the same object and earlier."""
        return other is not None and self.uid == other.uid and self.generation > other.generation


class SpecVersions:
    """The newest spec version of each controller that the API server reported to this worker.

    A stale version costs two more calls; a missing version means an unconditional PATCH. An object
    that cannot be scaled has no version: a PATCH with its version would pass all tests.
    """

    def __init__(self, informers: Informers | None) -> None:
        self._informers = informers
        self._seen: TtlCache[tuple[str, str, str], SpecVersion] = TtlCache(
            VERSIONS_REMEMBERED, VERSION_LIFETIME_S
        )

    def get(self, kind: ResourceType, namespace: str, name: str) -> SpecVersion | None:
        """Return the newest known version, None if there is none."""
        seen = self._seen.get((kind.name, namespace, name))
        held = self._informers.peek(kind, namespace, name) if self._informers is not None else None
        if held is None:
            return seen
        stored = version_of(held)
        return seen if seen is not None and seen.is_later(stored) else stored

    def learn(
        self, kind: ResourceType, namespace: str, found: Workload | Replication
    ) -> SpecVersion | None:
        """Store and return the version in a response, None if it has none."""
        version = version_of(found)
        if version is not None:
            self._seen.put((kind.name, namespace, found.metadata.name), version)
        return version

    def learn_from(self, kind: Kind, namespace: str, found: Object) -> None:
        """Store the version of an object that was not decoded into a struct."""
        try:
            decoded = msgspec.convert(found, kind.shape)
        except msgspec.ValidationError as error:
            log.info("%s in %s has no known version: %s", kind.name, namespace, error)
        else:
            self.learn(kind, namespace, decoded)

    def forget(self, kind: ResourceType, namespace: str, name: str) -> None:
        """Drop the version of a deleted object."""
        self._seen.forget((kind.name, namespace, name))


def version_of(found: Workload | Replication) -> SpecVersion | None:
    """Return the version of a controller; None without generation, or if it cannot be scaled."""
    metadata = found.metadata
    is_scalable = metadata.deletion_timestamp is None and owner_of(metadata) is None
    if metadata.generation is None or not is_scalable:
        return None
    has_owners = bool(metadata.owner_references)
    return SpecVersion(metadata.uid, metadata.generation, found.spec.replicas, has_owners)


class Scaling:
    """One call that scales one controller."""

    def __init__(
        self, kube: BoundClient, versions: SpecVersions, kind: Kind, namespace: str, name: str
    ) -> None:
        self._kube = kube
        self._versions = versions
        self._kind = kind
        self._namespace = namespace
        self._name = name
        self._path = kind.path(namespace, name)

    async def run(
        self, replicas: int, *, read_first: bool
    ) -> tuple[Workload | Replication, int | None]:
        """Set the replicas; return the updated controller, and the former desired count.

        The former count is known only if the first request tested a version and passed: after a
        failed test, an earlier request of this run with a lost response may have changed the spec.

        With `read_first`, a controller with an unknown version is read before the write, because
        another worker may still have a request in flight.
        """
        version = self._versions.get(self._kind, self._namespace, self._name)
        if version is None and read_first:
            version = await self._read()
        budget = RetryBudget()
        is_second_read = False
        while True:
            try:
                found = await self._write(replicas, version)
            except Failure as failure:
                if isinstance(failure, Denied) or failure.code is not Code.PLATFORM_INVALID:
                    raise
                refusal = failure
            else:
                return found, version.replicas if version and not is_second_read else None
            if is_second_read:
                await self._kube.wait(_as_conflict(refusal), budget)
            is_second_read = True
            # A failed test and an invalid value are both 422, and the messages differ between
            # versions of the API server: if the tests pass on the object as read now, the API
            # server refused the value.
            latest = await self._read()
            if _passes(latest, version):
                raise refusal
            if latest is None and version is None:
                raise _unexplained(self._kind, self._name, refusal)
            version = latest

    async def _read(self) -> SpecVersion | None:
        try:
            live: Workload | Replication = await self._kube.get(self._path, self._kind.shape)
        except MissingRight as fault:
            log.warning("%s is scaled without a version test: %s", self._path, fault.message)
            return None
        _refuse_unscalable(self._kind, live.metadata)
        return self._versions.learn(self._kind, self._namespace, live)

    async def _write(self, replicas: int, version: SpecVersion | None) -> Workload | Replication:
        shape = self._kind.shape
        found: Workload | Replication
        try:
            operations = _conditional_patch(version, replicas)
            found = await self._kube.patch(self._path, operations, shape, JSON_PATCH)
        except Failure as failure:
            if isinstance(failure, Absent):
                self._versions.forget(self._kind, self._namespace, self._name)
            raise
        self._versions.learn(self._kind, self._namespace, found)
        return found


def _conditional_patch(version: SpecVersion | None, replicas: int) -> list[dict[str, Any]]:
    """Return the JSON patch that sets replicas if version and owners are unchanged."""
    tests: dict[str, Any] = {}
    if version is not None:
        # The start of a deletion raises the generation too.
        tests |= {"/metadata/uid": version.uid, "/metadata/generation": version.generation}
    else:
        tests["/metadata/deletionTimestamp"] = None
    if version is None or not version.has_owners:
        tests["/metadata/ownerReferences"] = None
    # The API server compares an absent member as null. Unlike "replace", "add" also works if the
    # object has no replicas.
    return [
        *({"op": "test", "path": path, "value": value} for path, value in tests.items()),
        {"op": "add", "path": "/spec/replicas", "value": replicas},
    ]


def _passes(latest: SpecVersion | None, tested: SpecVersion | None) -> bool:
    """Return whether the tests of a refused request pass on the object as read afterwards."""
    if latest is None:
        return False
    owners_fit = not latest.has_owners or (tested is not None and tested.has_owners)
    return owners_fit and (tested is None or tested.is_same(latest))


def _refuse_unscalable(kind: Kind, metadata: Metadata) -> None:
    """Raise if a controller owns the object, or if the object is being deleted."""
    what = f'the {kind.name} "{metadata.name}"'
    if metadata.deletion_timestamp is not None:
        waiting = ", ".join(metadata.finalizers or ["none"])
        raise Failure(
            Code.CONFLICT,
            f"{what} is being deleted, so no machines are started or stopped for it; its "
            f"finalizers: {waiting}",
        )
    owner = owner_of(metadata)
    if owner is not None:
        raise Failure(
            Code.CONFLICT,
            f'{what} is owned by the {owner.kind} "{owner.name}", which sets its replicas '
            f"and would undo the scaling: scale the {owner.kind} instead",
        )


def _unexplained(kind: Kind, name: str, refusal: Failure) -> Failure:
    return Failure(
        Code.CONFLICT,
        f'the {kind.name} "{name}" was not scaled: it has an owner, or it is being deleted, or the '
        f"API server refuses the value; the worker lacks the right to read it: {refusal.message}",
    )


def _as_conflict(refusal: Failure) -> Failure:
    return Failure(refusal.code, refusal.message, again=Again.CONFLICT)
