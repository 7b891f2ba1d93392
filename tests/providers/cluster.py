"""A platform of the suite that somebody has: a cluster of a kubeconfig, in one namespace of it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

import pytest

from deploy.kubeconfig import attachment, namespace
from deploy.kubeconfig.api import Api, Object
from deploy.options import IMAGE
from deploy.waiting import wait_until
from tests.providers.stand_ins.k8s import LACKS, NOTES

ROOM = 20
"""Up to so many machines of an application have to run, more are only there: small clusters too."""
SETTLED_S = 120
LOOK_EVERY_S = 0.2

WORKER = "machinist"
"""What workers call themselves, and so the manager of the fields that they write."""

CORE, APPS = "/api/v1", "/apis/apps/v1"
GATEWAY_API = "/apis/gateway.networking.k8s.io/v1"
COLLECTIONS = {
    "deployments": APPS,
    "statefulsets": APPS,
    "replicasets": APPS,
    "replicationcontrollers": CORE,
    "services": CORE,
    "secrets": CORE,
    "gateways": GATEWAY_API,
    "httproutes": GATEWAY_API,
}
"""What a test may leave in the namespace, apart from pods."""

OPTIONS = {
    "--kubeconfig": "try the providers' tests on the cluster that this file names",
    "--kube-context": "its context (default: the current one)",
    "--kube-namespace": "a namespace that deploy/test made: all in it is deleted before each test",
    "--kube-image": "what pods run",
}


class Cluster:
    """A cluster in which nothing but its namespace is touched, and that cannot be told to fail."""

    name = "k8s"
    page = 500
    lacks = LACKS
    notes = NOTES

    def __init__(self, environment: Mapping[str, str], api: Api, scope: str, image: str) -> None:
        self.environment = environment
        self.scope = scope
        self._api = api
        self._image = image
        wait_until(self._is_empty, SETTLED_S, f"the namespace {scope} is empty", LOOK_EVERY_S)

    def run(self, application: str, machines: int, labels: Mapping[str, str]) -> None:
        own = {"app.kubernetes.io/instance": application}
        pod: Object = {
            "metadata": {"labels": {**labels, **own}},
            "spec": _pod(self._image, scheduled=machines <= ROOM),
        }
        spec = {"replicas": machines, "selector": {"matchLabels": own}, "template": pod}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": application, "labels": {**labels, **own}},
            "spec": spec,
        }
        self._api.create(self._path("deployments"), deployment)
        wait_until(
            lambda: self._has_settled(application, machines),
            SETTLED_S,
            f"{application} has its {machines} machines",
            LOOK_EVERY_S,
        )

    def run_alone(self) -> None:
        pod = {"metadata": {"name": "alone"}, "spec": _pod(self._image, scheduled=True)}
        self._api.create(self._path("pods"), {"apiVersion": "v1", "kind": "Pod", **pod})

    def gateway(self) -> str:
        if self._api.get(GATEWAY_API) is None:
            pytest.skip("the cluster has no Gateway API")
        listener = {"name": "http", "protocol": "HTTP", "port": 80}
        gateway = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "public"},
            # Of no class that anybody has: it serves nothing and costs nothing.
            "spec": {"gatewayClassName": "machinist-tests", "listeners": [listener]},
        }
        self._api.create(self._path("gateways"), gateway)
        return "public"

    def size(self, application: str) -> int:
        return int(self._deployment(application)["spec"]["replicas"])

    def throttle(self, times: int | None) -> NoReturn:
        pytest.skip("a real cluster cannot be told to turn requests away")

    def deny(self) -> NoReturn:
        pytest.skip("a real cluster cannot be told to take rights away")

    def heal(self) -> None:
        """Nothing was hurt."""

    def cut(self, times: int | None) -> NoReturn:
        pytest.skip("a real cluster cannot be told to cut connections")

    @property
    def writes(self) -> int:
        """How many objects a worker left its mark on: who only asks, or is refused, leaves none."""
        objects = [each for name in (*COLLECTIONS, "pods") for each in self._items(name)]
        fields = [field for each in objects for field in each["metadata"].get("managedFields", ())]
        return len([field for field in fields if field.get("manager") == WORKER])

    def _path(self, collection: str, name: str = "") -> str:
        group = COLLECTIONS.get(collection, CORE)
        return f"{group}/namespaces/{self.scope}/{collection}/{name}".rstrip("/")

    def _items(self, collection: str) -> list[Object]:
        return self._api.items(self._path(collection))

    def _deployment(self, name: str) -> Object:
        found = self._api.get(self._path("deployments", name))
        assert found is not None
        return found

    def _has_settled(self, application: str, machines: int) -> bool:
        """Whether the cluster's own controllers have done what the Deployment asks for."""
        deployment = self._deployment(application)
        status = deployment["status"]
        ready = min(machines, status.get("readyReplicas", 0)) if machines <= ROOM else machines
        return bool(
            status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
            and status.get("replicas", 0) == ready == machines
        )

    def _is_empty(self) -> bool:
        """Delete what there is, and tell whether there was nothing."""
        empty = True
        for collection in COLLECTIONS:
            for each in self._items(collection):
                empty = False
                path = self._path(collection, each["metadata"]["name"])
                self._api.delete(path, propagationPolicy="Background")
        if self._items("pods"):
            empty = False
            self._api.delete(self._path("pods"), gracePeriodSeconds="0")
        return empty


@contextmanager
def attached(config: pytest.Config) -> Iterator[Callable[[], Cluster]]:
    """What gives a test the cluster of the options, with nothing left in its namespace."""
    file, place = config.getoption("--kubeconfig"), config.getoption("--kube-namespace")
    if place is None:
        raise pytest.UsageError("--kubeconfig needs --kube-namespace: see deploy/test --help")
    named = attachment.read(Path(file), config.getoption("--kube-context"), place)
    image = config.getoption("--kube-image") or IMAGE
    with TemporaryDirectory(prefix="machinist-") as folder:
        environment = named.environment(Path(folder, "credentials"))
        with Api(environment) as api:
            namespace.check(api, place)
            yield lambda: Cluster(environment, api, place, image)


def _pod(image: str, *, scheduled: bool) -> Object:
    """A pod that even a cluster with strict rules lets in."""
    container = {
        "name": "app",
        "image": image,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {"requests": {"cpu": "1m", "memory": "4Mi"}},
    }
    # No node has this label, so such pods cost the cluster a line each.
    nowhere = {} if scheduled else {"nodeSelector": {"machinist-tests": "no-such-node"}}
    return {
        "containers": [container],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65535,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **nowhere,
    }
