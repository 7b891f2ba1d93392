"""The measured objects in a Kubernetes cluster, which the bench makes and deletes.

The bench makes two namespaces with names of its own and changes nothing else in the cluster. The
first has 1,000 pods of ten Deployments, the second the Deployments that are scaled: so scaling does
not change what the reads list. No node suits the pods, so on a real cluster they stay pending.

The plan works with and without a kube-controller-manager. The bench creates Deployments. If one
gets a status, a controller manager runs, and the bench waits for its pods. Otherwise the API server
is alone: the bench creates ReplicaSets and pods with owner references, and at the end it deletes
the objects and the finalizers of the namespaces as a controller manager does.
"""

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from msgspec import Struct

from deploy.failed import Failed
from deploy.kubeconfig.api import Api, Object
from deploy.options import IMAGE
from deploy.waiting import Say, wait_until
from tests.providers.cluster import pod_spec

LABEL = "machinist-bench"
"""The label of the namespaces, with the id of the run as value."""
APPLICATIONS, SIZE = 10, 100
SCALED = 3 * 16
MANAGER_S = 10
"""The time within which a controller manager reports the status of a new Deployment."""
LIMIT_S = 300
"""With its default limits, a controller manager creates or deletes some 20 pods per second."""
LOOK_EVERY_S = 0.2
WRITES_AT_ONCE = 8

CORE, APPS = "/api/v1/namespaces", "/apis/apps/v1/namespaces"
CREATED = (f"{APPS}/{{}}/deployments", f"{APPS}/{{}}/replicasets", f"{CORE}/{{}}/pods")


class Population(Struct):
    """The names of the objects that the bench made."""

    namespace: str
    scaled_namespace: str
    pods: list[str]
    application: str
    scaled: list[str]


@contextmanager
def populated(api: Api, say: Say) -> Iterator[Population]:
    """Create the namespaces with their objects, and delete them at the end of the context."""
    run = secrets.token_hex(3)
    name, scaled_name = f"machinist-bench-{run}", f"machinist-bench-{run}-scaled"
    say(f"makes and deletes the namespaces {name} and {scaled_name}, and uses nothing else")
    with _namespace(api, name, run, say), _namespace(api, scaled_name, run, say):
        applications = [f"app-{number}" for number in range(APPLICATIONS)]
        for each in applications:
            _create_deployment(api, name, each, SIZE)
        scaled = [f"scaled-{number}" for number in range(SCALED)]
        for each in scaled:
            _create_deployment(api, scaled_name, each, 1)
        if not _has_controllers(api, name):
            say("no controller manager sets a status: makes ReplicaSets and pods itself")
            for each in applications:
                _create_pods(api, name, each, SIZE)
            for each in scaled:
                _create_pods(api, scaled_name, each, 1)
        pods = _pods(api, name, APPLICATIONS * SIZE)
        _pods(api, scaled_name, SCALED)
        yield Population(name, scaled_name, pods, applications[0], scaled)


@contextmanager
def _namespace(api: Api, name: str, run: str, say: Say) -> Iterator[None]:
    path = f"{CORE}/{name}"
    metadata = {"name": name, "labels": {LABEL: run}}
    try:
        api.create(CORE, _object("v1", "Namespace", metadata))
        yield
    finally:
        say(f"deletes the namespace {name}")
        is_alone = api.get(path) is not None and not _has_controllers(api, name)
        for collection in CREATED if is_alone else ():
            api.delete(collection.format(name), propagationPolicy="Background")
        api.delete(path)
        if is_alone and (terminating := api.get(path)) is not None:
            api.replace(f"{path}/finalize", {**terminating, "spec": {"finalizers": []}})
        wait_until(
            lambda: api.get(path) is None, LIMIT_S, f"the namespace {name} is gone", LOOK_EVERY_S
        )


def _create_deployment(api: Api, namespace: str, name: str, replicas: int) -> None:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod_spec(IMAGE, scheduled=False)}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": name, "labels": labels}
    body = _object("apps/v1", "Deployment", metadata, spec)
    api.create(f"{APPS}/{namespace}/deployments", body)


def _has_controllers(api: Api, namespace: str) -> bool:
    """Return whether a Deployment gets a status; one that has none yet is waited for."""
    deadline = time.monotonic() + MANAGER_S
    while deployments := api.items(f"{APPS}/{namespace}/deployments"):
        if any(each.get("status", {}).get("observedGeneration") for each in deployments):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_EVERY_S)
    return True


def _create_pods(api: Api, namespace: str, name: str, number: int) -> None:
    """Do the work of the controllers: a ReplicaSet of a Deployment, and its pods."""
    account = f"{CORE}/{namespace}/serviceaccounts"
    if api.get(f"{account}/default") is None:
        api.create(account, _object("v1", "ServiceAccount", {"name": "default"}))
    deployment = api.get(f"{APPS}/{namespace}/deployments/{name}")
    if deployment is None:
        raise Failed(f"the Deployment {name} in {namespace} was deleted during the set-up")
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"] | {"pod-template-hash": "bench"}
    template = template | {"metadata": {"labels": labels}}
    spec = {"replicas": number, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": f"{name}-bench", "labels": labels}
    metadata["ownerReferences"] = [_owned_by("Deployment", deployment)]
    body = _object("apps/v1", "ReplicaSet", metadata, spec)
    owner = _owned_by("ReplicaSet", api.create(f"{APPS}/{namespace}/replicasets", body))

    def create_pod(index: int) -> None:
        own = {"name": f"{name}-bench-{index}", "labels": labels, "ownerReferences": [owner]}
        api.create(f"{CORE}/{namespace}/pods", _object("v1", "Pod", own, template["spec"]))

    with ThreadPoolExecutor(WRITES_AT_ONCE) as executor:
        list(executor.map(create_pod, range(number)))


def _pods(api: Api, namespace: str, number: int) -> list[str]:
    """Wait for a number of pods, and return their names."""

    def complete() -> list[str] | None:
        found = [each["metadata"]["name"] for each in api.items(f"{CORE}/{namespace}/pods")]
        return found if len(found) == number else None

    return wait_until(complete, LIMIT_S, f"{number} pods in {namespace}", LOOK_EVERY_S)


def _owned_by(kind: str, owner: Object) -> Object:
    name, uid = owner["metadata"]["name"], owner["metadata"]["uid"]
    return {"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": True}


def _object(version: str, kind: str, metadata: Object, spec: Object | None = None) -> Object:
    body = {"apiVersion": version, "kind": kind, "metadata": metadata}
    return body if spec is None else body | {"spec": spec}
