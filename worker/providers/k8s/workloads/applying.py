"""Creates objects or makes them what is wanted, whoever else writes to them meanwhile."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from contracts.faults import Code, Fault
from contracts.resources import Object
from contracts.workload import Workload
from worker.provider import Call
from worker.providers.k8s import observed
from worker.providers.k8s.api.client import BoundClient
from worker.providers.k8s.api.errors import Absent, Again, Denied, Failure
from worker.providers.k8s.api.retries import Patience
from worker.providers.k8s.kinds import DEPLOYMENTS, SERVICES, ResourceType
from worker.providers.k8s.workloads import manifests, secrets, workload

LOOKS_WITH_VERSION = 4
"""An object whose status changes all the time is then updated whatever its version.

Until then an update holds only while the object is what was read: one that a frozen worker sends
late fails after its successor's.
"""


STRICT = "strict decoding error: "
"""What the API server writes before the fields that an object cannot have."""


class Settled(NamedTuple):
    """An object as it is in the end, and as the first look of this run found it."""

    found: Object
    created: bool
    former: Object | None
    """A later look may find what a write did whose answer was lost."""


async def apply(
    kube: BoundClient,
    resource: ResourceType,
    namespace: str,
    wanted: Object,
    initial: Object | None = None,
) -> Settled:
    """Create an object or make it what is wanted; `initial` is of its spec at first."""
    path = resource.path(namespace, wanted["metadata"]["name"])
    new = wanted | {"spec": wanted["spec"] | initial} if initial else wanted

    looks = 0

    async def update(live: Object) -> Object:
        nonlocal looks
        looks += 1
        change = manifests.change(live, wanted)
        version = live["metadata"].get("resourceVersion")
        if version is None or looks > LOOKS_WITH_VERSION:
            return await kube.patch(path, change, Object)
        change["metadata"]["resourceVersion"] = version
        return await kube.patch(path, change, Object, names_version=True)

    return await settle(kube, resource, namespace, new, update)


async def settle(
    kube: BoundClient,
    resource: ResourceType,
    namespace: str,
    new: Object,
    update: Callable[[Object], Awaitable[Object]],
) -> Settled:
    """Create an object, or update the one that is there, until one of the two fits."""
    collection = resource.path(namespace)
    path = resource.path(namespace, new["metadata"]["name"])
    patience = Patience()
    former: Object | None = None
    wrote = False
    while True:
        live = await kube.find(path)
        former = former if wrote else live
        try:
            if live is None:
                wrote = True
                return Settled(await kube.create(collection, new), True, former)
            _refuse_leaving(resource, live)
            wrote = True
            return Settled(await update(live), False, former)
        except Failure as failure:
            if STRICT in failure.message and not isinstance(failure, Denied):
                raise _unknown_fields(failure) from failure
            if live is not None and isinstance(failure, Absent):
                failure = Failure(failure.code, failure.message, again=Again.CONFLICT)
            is_lost_creation = live is None and failure.again is Again.LOST
            if not (is_lost_creation or failure.again in {Again.CONFLICT, Again.MOVED}):
                raise
            await kube.wait(failure, patience)


def _unknown_fields(failure: Failure) -> Fault:
    """The fault of a manifest with unknown fields, the same for a POST (400) and a PATCH (422)."""
    words = failure.message.partition(STRICT)[2]
    return Fault(Code.INVALID, f"manifest: expected only fields that the kind has, got {words}")


def _refuse_leaving(resource: ResourceType, live: Object) -> None:
    """Raise where an object is being deleted: what is written to it now goes with it."""
    metadata = live["metadata"]
    if metadata.get("deletionTimestamp"):
        waiting = ", ".join(metadata.get("finalizers") or ["none"])
        raise Failure(
            Code.CONFLICT,
            f'the {resource.name} "{metadata["name"]}" is being deleted and not gone yet; its '
            f"finalizers: {waiting}",
            again=Again.MOVED,
        )


async def roll_out(kube: BoundClient, call: Call, namespace: str, wanted: Workload) -> bool:
    """Apply all that a workload consists of; says whether its Deployment was created.

    The order is that of need. What fails leaves what was applied before it: taking that back
    could stop machines that run, and repeating the request completes it.
    """
    done: list[str] = []
    created = False
    try:
        secret = workload.pull_secret(wanted)
        if secret is not None:
            await secrets.apply(kube, namespace, secret)
            done.append(f'the Secret "{secret["metadata"]["name"]}"')
        _, deployment = manifests.read(workload.deployment(wanted), namespace, DEPLOYMENTS)
        initial = workload.initial(wanted)
        controller = await apply(kube, DEPLOYMENTS, namespace, deployment, initial)
        created = controller.created
        call.observed(*observed.workload(controller.former, controller.found))
        done.append(f'the Deployment "{wanted.name}"')
        _, service = manifests.read(workload.service(wanted), namespace, SERVICES)
        endpoint = await apply(kube, SERVICES, namespace, service)
        call.observed(
            *observed.workload(controller.former, controller.found, endpoint.former, endpoint.found)
        )
    except Fault as fault:
        raise _unfinished(fault, done) from fault
    return created


def _unfinished(fault: Fault, done: list[str]) -> Fault:
    if not done:
        return fault
    return Fault(
        fault.code,
        f"{fault.message}. Already applied: {' and '.join(done)}; repeating the request completes "
        "the rest",
        retry_after=fault.retry_after,
    )
