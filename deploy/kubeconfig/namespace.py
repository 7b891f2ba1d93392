"""A temporary namespace for one run of the tests."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from deploy.failed import Failed
from deploy.kubeconfig.api import Api, Object
from deploy.waiting import Say, wait_until

LABEL = "machinist-tests"
"""The label of such a namespace, with the id of the run as value."""
NAMESPACES = "/api/v1/namespaces"
DELETED_S = 180
CHECK_INTERVAL_S = 0.5


@contextmanager
def temporary(api: Api, name: str, say: Say) -> Iterator[None]:
    """Create the namespace, and delete it at the end of the context.

    Raises Failed for an existing namespace that no run of the tests created.
    """
    _delete_earlier(api, name, say)
    run = uuid.uuid4().hex
    metadata = {"name": name, "labels": {LABEL: run}}
    try:
        api.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        say(f"made the namespace {name}")
        yield
    finally:
        # Another user may have deleted the namespace and created one of the same name.
        if _label(api.get(_path(name))) == run:
            _delete(api, name, say)


def check(api: Api, name: str) -> None:
    """Raise Failed unless a run of the tests created the namespace, so that it may be emptied."""
    if _label(api.get(_path(name))) is None:
        raise Failed(_not_created(name))


def _delete_earlier(api: Api, name: str, say: Say) -> None:
    """Delete the namespace of an earlier run that could not delete it."""
    found = api.get(_path(name))
    if found is None:
        return
    if _label(found) is None:
        raise Failed(_not_created(name))
    say(f"an earlier run left the namespace {name} behind")
    _delete(api, name, say)


def _delete(api: Api, name: str, say: Say) -> None:
    say(f"deleting the namespace {name}")
    try:
        api.delete(_path(name))
        wait_until(
            lambda: api.get(_path(name)) is None,
            DELETED_S,
            f"the namespace {name} is deleted",
            CHECK_INTERVAL_S,
        )
    except Failed as failure:
        raise Failed(f"{failure}: see `kubectl get namespace {name} -o yaml`") from None


def _path(name: str) -> str:
    return f"{NAMESPACES}/{name}"


def _label(namespace: Object | None) -> str | None:
    found = namespace or {}
    label: str | None = (found.get("metadata", {}).get("labels") or {}).get(LABEL)
    return label


def _not_created(name: str) -> str:
    return (
        f"the namespace {name} has no label {LABEL}, so these tests did not create it: expected "
        "a name that no namespace has, since the tests delete all objects in it"
    )
