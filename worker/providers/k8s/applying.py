"""Creates an object or makes it what is wanted, whoever else writes to it meanwhile."""

from contracts.faults import Code
from contracts.resources import Object
from worker.providers.k8s import manifests
from worker.providers.k8s.client import LOOK_FIRST, Conversation
from worker.providers.k8s.errors import Again, Failure
from worker.providers.k8s.kinds import Place
from worker.providers.k8s.retries import Patience


async def apply(
    talk: Conversation, place: Place, namespace: str, wanted: Object, initial: Object | None = None
) -> tuple[Object, bool]:
    """The object as it is then, and whether it was created; `initial` is of its spec at first."""
    collection = place.path(namespace)
    path = place.path(namespace, wanted["metadata"]["name"])
    patience = Patience()
    while True:
        live = await talk.find(path)
        try:
            if live is None:
                new = wanted | {"spec": wanted["spec"] | initial} if initial else wanted
                return await talk.create(collection, new), True
            refuse_leaving(place, live)
            return await talk.patch(path, manifests.change(live, wanted), Object), False
        except Failure as failure:
            if live is not None and failure.code is Code.NOT_FOUND:
                continue
            overtaken = live is None and failure.again in LOOK_FIRST
            if not (overtaken or failure.again is Again.LEAVING):
                raise
            await talk.wait(failure, patience)


def refuse_leaving(place: Place, live: Object) -> None:
    """Raise where an object is being deleted: what is written to it now goes with it."""
    if live["metadata"].get("deletionTimestamp"):
        name = live["metadata"]["name"]
        raise Failure(
            Code.CONFLICT,
            f'the {place.name} "{name}" is being deleted and not gone yet: its finalizers are '
            f"{', '.join(live['metadata'].get('finalizers') or ['none'])}",
            again=Again.LEAVING,
        )
