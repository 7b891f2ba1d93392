"""A real cluster as the platform of the suite: one namespace of a kubeconfig's cluster."""

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
from tests.providers.stand_ins.k8s import OBSERVED_KEYS, UNSUPPORTED

MAX_RUNNING = 20
"""The number of machines of an application that must run; small clusters have no room for more."""
SETTLED_S = 120
LOOK_EVERY_S = 0.2

WORKER = "machinist"
"""The field manager of workers."""

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
"""Resource types that a test may leave in the namespace, beside pods, with their API paths."""

OPTIONS = {
    "--kubeconfig": "run the providers' tests on the cluster of this kubeconfig file",
    "--kube-context": "a context of the kubeconfig (default: the current context)",
    "--kube-namespace": "a namespace of deploy/test; its objects are deleted before each test",
    "--kube-image": "the image of the pods",
}


class Cluster:
    """A cluster without fault injection, of which only one namespace is changed."""

    name = "k8s"
    page = 500
    unsupported = UNSUPPORTED
    observed = OBSERVED_KEYS

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
            "spec": pod_spec(self._image, scheduled=machines <= MAX_RUNNING),
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

    def run_without_controller(self) -> None:
        pod = {"metadata": {"name": "alone"}, "spec": pod_spec(self._image, scheduled=True)}
        self._api.create(self._path("pods"), {"apiVersion": "v1", "kind": "Pod", **pod})

    def gateway(self) -> str:
        if self._api.get(GATEWAY_API) is None:
            pytest.skip("the cluster has no Gateway API")
        listener = {"name": "http", "protocol": "HTTP", "port": 80}
        gateway = {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "Gateway",
            "metadata": {"name": "public"},
            # No controller has this class, so the Gateway creates no load balancer.
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

    def clear_faults(self) -> None:
        """Do nothing: there are no faults."""

    def cut(self, times: int | None) -> NoReturn:
        pytest.skip("a real cluster cannot be told to cut connections")

    @property
    def writes(self) -> int:
        """The number of entries in `managedFields` with the field manager of workers."""
        objects = [each for name in (*COLLECTIONS, "pods") for each in self._items(name)]
        fields = [field for each in objects for field in each["metadata"].get("managedFields", ())]
        return len([field for field in fields if field.get("manager") == WORKER])

    @property
    def denials(self) -> list[str]:
        """None are known: the rights are those of the kubeconfig's user."""
        return []

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
        """Tell whether the cluster's controllers have rolled the Deployment out."""
        deployment = self._deployment(application)
        status = deployment["status"]
        ready = (
            min(machines, status.get("readyReplicas", 0)) if machines <= MAX_RUNNING else machines
        )
        return bool(
            status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
            and status.get("replicas", 0) == ready == machines
        )

    def _is_empty(self) -> bool:
        """Delete all objects in the namespace; return true if there were none."""
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
    """Yield a function that empties the namespace of the options and returns its cluster."""
    file, scope = config.getoption("--kubeconfig"), config.getoption("--kube-namespace")
    if scope is None:
        raise pytest.UsageError("--kubeconfig needs --kube-namespace: see deploy/test --help")
    found = attachment.read(Path(file), config.getoption("--kube-context"), scope)
    image = config.getoption("--kube-image") or IMAGE
    with TemporaryDirectory(prefix="machinist-") as folder:
        environment = found.environment(Path(folder, "credentials"))
        with Api(environment) as api:
            namespace.check(api, scope)
            yield lambda: Cluster(environment, api, scope, image)


def pod_spec(image: str, *, scheduled: bool) -> Object:
    """Return the specification of a pod that the strictest Pod Security Standard admits."""
    container = {
        "name": "app",
        "image": image,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
        "resources": {"requests": {"cpu": "1m", "memory": "4Mi"}},
    }
    # No node has this label, so such pods stay pending and use no node.
    unscheduled = {} if scheduled else {"nodeSelector": {"machinist-tests": "no-such-node"}}
    return {
        "containers": [container],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65535,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        **unscheduled,
    }
