"""Kubernetes: the sandbox's API server."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.providers.platforms import EXISTS, OBSERVED, Keys, Platform

UNSUPPORTED: Mapping[str, str] = {}
OBSERVED_KEYS: Mapping[str, Keys] = {
    "set_machine_labels": (EXISTS, {"labels"}),
    "delete_controller": (OBSERVED["apply_controller"][0], EXISTS),
    "delete_service": (set(), EXISTS),
    "delete_http_route": (EXISTS, EXISTS),
    "apply_workload": (OBSERVED["apply_workload"][1], OBSERVED["apply_workload"][1]),
}


class Kubernetes:
    """The Kubernetes sandbox, in one namespace."""

    name = "k8s"
    scope = "shop"
    page = 500
    unsupported = UNSUPPORTED
    observed = OBSERVED_KEYS

    def __init__(self, sandbox: KubernetesSandbox) -> None:
        self._sandbox = sandbox
        sandbox.reset()
        sandbox.add_namespace(self.scope)

    @property
    def environment(self) -> Mapping[str, str]:
        return self._sandbox.environment | {"PLT_K8S_INFORMERS": "false"}

    def run(self, application: str, machines: int, labels: Mapping[str, str]) -> None:
        own = {"app.kubernetes.io/instance": application}
        self._sandbox.add_deployment(
            application,
            self.scope,
            replicas=machines,
            labels={**labels, **own},
            selector={"matchLabels": own},
        )

    def run_without_controller(self) -> None:
        self._sandbox.add_pod("alone", self.scope)

    def gateway(self) -> str:
        self._sandbox.add_gateway("public", self.scope)
        return "public"

    def size(self, application: str) -> int:
        found = self._sandbox.read("deployments.apps", application, self.scope)
        assert found is not None
        return int(found["spec"]["replicas"])

    def throttle(self, times: int | None) -> None:
        self._sandbox.faults.overload(times=times)

    def deny(self) -> None:
        words = (
            'deployments.apps is forbidden: User "system:serviceaccount:machinist:worker" cannot '
            f'patch resource "deployments" in API group "apps" in the namespace "{self.scope}"'
        )
        status = {"status": "Failure", "reason": "Forbidden", "code": 403, "message": words}
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, **status}
        headers = {"content-type": "application/json"}
        self._sandbox.faults.add("PATCH", status=403, body=body, headers=headers, times=1)

    def cut(self, times: int | None) -> None:
        self._sandbox.faults.add(disconnect="after", times=times)

    def clear_faults(self) -> None:
        self._sandbox.faults.clear()

    @property
    def writes(self) -> int:
        return len(self._sandbox.calls.writes())

    @property
    def denials(self) -> list[str]:
        return self._sandbox.denials


@contextmanager
def started() -> Iterator[Callable[[], Platform]]:
    """Run the sandbox; yield a function that resets and returns the platform."""
    with KubernetesSandbox.in_thread(seed=False) as sandbox:
        yield lambda: Kubernetes(sandbox)
