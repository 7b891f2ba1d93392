"""Create or update objects, with retries when other clients write to them concurrently."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from contracts.faults import Code, Fault
from contracts.neutral.workload import Workload
from contracts.resources import Object
from worker.provider import Call
from worker.providers.k8s import observed
from worker.providers.k8s.api.client import BoundClient
from worker.providers.k8s.api.errors import Absent, Again, Denied, Failure
from worker.providers.k8s.api.retries import RetryBudget
from worker.providers.k8s.kinds import DEPLOYMENTS, SERVICES, ResourceType
from worker.providers.k8s.workloads import manifests, secrets, workload

READS_WITH_VERSION = 4
"""The number of reads after which an update no longer names a resourceVersion.

With a resourceVersion, the late update of a frozen worker fails after its successor's. An object
whose status changes all the time can only be updated without it.
"""

STRICT = "strict decoding error: "
"""The API server's prefix for unknown fields."""


class Applied(NamedTuple):
    """An object after a write, and before it."""

    found: Object
    created: bool
    former: Object | None
    """The object before this run's first write. A later read may show a write of this run."""


async def apply(
    kube: BoundClient,
    resource: ResourceType,
    namespace: str,
    wanted: Object,
    initial: Object | None = None,
) -> Applied:
    """Create an object or merge a manifest into it; a new object's spec also has `initial`."""
    path = resource.path(namespace, wanted["metadata"]["name"])
    new = wanted | {"spec": wanted["spec"] | initial} if initial else wanted

    reads = 0

    async def update(live: Object) -> Object:
        nonlocal reads
        reads += 1
        change = manifests.change(live, wanted)
        version = live["metadata"].get("resourceVersion")
        if version is None or reads > READS_WITH_VERSION:
            return await kube.patch(path, change, Object)
        change["metadata"]["resourceVersion"] = version
        return await kube.patch(path, change, Object, names_version=True)

    return await create_or_update(kube, resource, namespace, new, update)


async def create_or_update(
    kube: BoundClient,
    resource: ResourceType,
    namespace: str,
    new: Object,
    update: Callable[[Object], Awaitable[Object]],
) -> Applied:
    """Create an object or update the existing one, and retry if it appears or disappears."""
    collection = resource.path(namespace)
    path = resource.path(namespace, new["metadata"]["name"])
    budget = RetryBudget()
    former: Object | None = None
    wrote = False
    while True:
        live = await kube.find(path)
        former = former if wrote else live
        try:
            if live is None:
                wrote = True
                return Applied(await kube.create(collection, new), True, former)
            _refuse_deleting(resource, live)
            wrote = True
            return Applied(await update(live), False, former)
        except Failure as failure:
            if STRICT in failure.message and not isinstance(failure, Denied):
                raise _unknown_fields(failure) from failure
            if live is not None and isinstance(failure, Absent):
                failure = Failure(failure.code, failure.message, again=Again.CONFLICT)
            is_lost_creation = live is None and failure.again is Again.LOST
            if not (is_lost_creation or failure.again in {Again.CONFLICT, Again.MOVED}):
                raise
            await kube.wait(failure, budget)


def _unknown_fields(failure: Failure) -> Fault:
    """Return the fault for unknown fields, which is the same for a POST (400) and PATCH (422)."""
    fields = failure.message.partition(STRICT)[2]
    return Fault(Code.INVALID, f"manifest: expected only fields that the kind has, got {fields}")


def _refuse_deleting(resource: ResourceType, live: Object) -> None:
    """Raise if an object is being deleted, because a write to it would be lost."""
    metadata = live["metadata"]
    if metadata.get("deletionTimestamp"):
        waiting = ", ".join(metadata.get("finalizers") or ["none"])
        raise Failure(
            Code.CONFLICT,
            f'the {resource.name} "{metadata["name"]}" is being deleted and not gone yet; its '
            f"finalizers: {waiting}",
            again=Again.MOVED,
        )


async def apply_workload(kube: BoundClient, call: Call, namespace: str, wanted: Workload) -> bool:
    """Apply the objects of a workload; return whether its Deployment was created.

    Objects are applied in the order of their dependencies. A failure keeps the objects before it:
    a roll-back could stop running machines, and repeating the request completes the workload.
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
