"""A namespace of a cluster for one run of the tests: made for it, and deleted whatever happens."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.failed import Failed
from deploy.kubeconfig.api import Api, Object
from deploy.waiting import Say, wait_until

MADE_BY = "machinist-tests"
"""The label of such a namespace; its value is the run's own."""
NAMESPACES = "/api/v1/namespaces"
GONE_S = 180
LOOK_EVERY_S = 0.5


@contextmanager
def of_its_own(api: Api, name: str, say: Say) -> Iterator[None]:
    """Make the namespace for the context; one that a run did not make is refused, untouched."""
    _clear(api, name, say)
    run = uuid.uuid4().hex
    metadata = {"name": name, "labels": {MADE_BY: run}}
    try:
        api.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        say(f"made the namespace {name}")
        yield
    finally:
        # Only ours: a name that somebody took meanwhile is not.
        if _label(api.get(_path(name))) == run:
            _delete(api, name, say)


def check(api: Api, name: str) -> None:
    """Make sure that all in the namespace may be deleted: a run of the tests made it."""
    if _label(api.get(_path(name))) is None:
        raise Failed(_not_ours(name))


def _clear(api: Api, name: str, say: Say) -> None:
    """Take away what an earlier run could not."""
    found = api.get(_path(name))
    if found is None:
        return
    if _label(found) is None:
        raise Failed(_not_ours(name))
    say(f"an earlier run left the namespace {name} behind")
    _delete(api, name, say)


def _delete(api: Api, name: str, say: Say) -> None:
    say(f"deleting the namespace {name}")
    try:
        api.delete(_path(name))
        wait_until(
            lambda: api.get(_path(name)) is None,
            GONE_S,
            f"the namespace {name} is gone",
            LOOK_EVERY_S,
        )
    except Failed as failure:
        raise Failed(f"{failure}: look at it with `kubectl get namespace {name} -o yaml`") from None


def _path(name: str) -> str:
    return f"{NAMESPACES}/{name}"


def _label(namespace: Object | None) -> str | None:
    found = namespace or {}
    label: str | None = (found.get("metadata", {}).get("labels") or {}).get(MADE_BY)
    return label


def _not_ours(name: str) -> str:
    return (
        f"the namespace {name} has no label {MADE_BY}, so these tests did not make it: expected "
        "a name that no namespace has, since all in it will be deleted"
    )
