"""What the every-provider suite needs of a platform beside the provider: its data, not its code."""

from collections.abc import Mapping
from typing import Protocol

from deploy.sandbox.aws.server import AwsSandbox
from deploy.sandbox.kubernetes.server import KubernetesSandbox


class Platform(Protocol):
    """A platform that was started for tests and that they look at past the provider."""

    name: str
    """Under which its provider is registered."""
    scope: str
    page: int
    """The most things that one answer of its API lists."""

    @property
    def environment(self) -> Mapping[str, str]:
        """What configures a provider for it."""

    def run(self, application: str, machines: int, labels: Mapping[str, str]) -> None:
        """Have an application run, with these labels on its machines."""

    def run_alone(self) -> None:
        """Have one machine run that no controller keeps running."""

    def gateway(self) -> str:
        """Have a gateway that routes can attach to, and return its name."""

    def size(self, application: str) -> int:
        """How many machines of it are wanted, as the platform itself says."""

    def throttle(self, times: int | None) -> None:
        """Turn so many requests away, all for None, with a wait of one second asked for."""

    def deny(self) -> None:
        """Refuse the next scaling, because the worker lacks the right to it."""

    def cut(self, times: int | None) -> None:
        """Carry requests out and break the connection instead of answering."""

    def heal(self) -> None:
        """Serve all requests again."""

    @property
    def writes(self) -> int:
        """How many requests arrived that change something."""


class Kubernetes:
    """The Kubernetes sandbox, in one namespace."""

    name = "k8s"
    scope = "shop"
    page = 500

    def __init__(self, sandbox: KubernetesSandbox) -> None:
        self._sandbox = sandbox
        sandbox.reset()
        sandbox.add_namespace(self.scope)

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "PLT_K8S_REST_API_URL": self._sandbox.url,
            "PLT_K8S_CA_PATH": str(self._sandbox.ca_path),
            "PLT_K8S_TOKEN_PATH": str(self._sandbox.token_path),
        }

    def run(self, application: str, machines: int, labels: Mapping[str, str]) -> None:
        own = {"app.kubernetes.io/instance": application}
        self._sandbox.add_deployment(
            application,
            self.scope,
            replicas=machines,
            labels={**labels, **own},
            selector={"matchLabels": own},
        )

    def run_alone(self) -> None:
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

    def heal(self) -> None:
        self._sandbox.faults.clear()

    @property
    def writes(self) -> int:
        return len(self._sandbox.calls.writes())


class Ecs:
    """The sandbox's AWS, in one cluster."""

    name = "ecs"
    scope = "shop"
    page = 100

    def __init__(self, sandbox: AwsSandbox) -> None:
        self._sandbox = sandbox
        sandbox.reset()
        sandbox.add_cluster(self.scope)
        # Workers are told of their only gateway before they start.
        sandbox.add_listener("public")

    @property
    def environment(self) -> Mapping[str, str]:
        return self._sandbox.environment | {"PLT_ECS_RETRY_BASE_MS": "20"}

    def run(self, application: str, machines: int, labels: Mapping[str, str]) -> None:
        # Tags of a service are on all of its machines for good, those of a task are its own.
        self._sandbox.add_service(
            application, self.scope, desired=machines, task_tags=dict(labels), propagate_tags=False
        )

    def run_alone(self) -> None:
        self._sandbox.add_task(self.scope)

    def gateway(self) -> str:
        return "public"

    def size(self, application: str) -> int:
        return int(self._sandbox.service(application, self.scope)["desiredCount"])

    def throttle(self, times: int | None) -> None:
        self._sandbox.faults.add(code="ThrottlingException", message="Rate exceeded", times=times)

    def deny(self) -> None:
        action = "ecs:UpdateService"
        words = (
            "User: arn:aws:sts::123456789012:assumed-role/worker/machinist is not authorized to "
            f"perform: {action} because no identity-based policy allows the {action} action"
        )
        self._sandbox.faults.add(action, code="AccessDeniedException", message=words)

    def cut(self, times: int | None) -> None:
        self._sandbox.faults.add(disconnect="after", times=times)

    def heal(self) -> None:
        self._sandbox.faults.clear()

    @property
    def writes(self) -> int:
        return len(self._sandbox.calls.writes())
