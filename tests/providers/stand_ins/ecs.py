"""AWS ECS: the sandbox's account."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from deploy.sandbox.aws.server import AwsSandbox
from tests.providers.platforms import EXISTS, OBSERVED, Keys, Platform


class Ecs:
    """The sandbox's AWS, in one cluster."""

    name = "ecs"
    scope = "shop"
    page = 100
    unsupported: Mapping[str, str] = {
        "apply_controller": "apply_workload, PUT /ecs/workloads/{scope}",
        "apply_service": "apply_workload, PUT /ecs/workloads/{scope}",
        "apply_secret": "apply_workload, PUT /ecs/workloads/{scope}",
        "apply_http_route": "apply_route_plan, PUT /ecs/gateway/routeplans/{scope}",
    }
    observed: Mapping[str, Keys] = {
        "set_machine_labels": ({"labels"}, {"labels"}),
        # The service is deleted with its controller: the provider sends no request.
        "delete_service": (set(), {"changed"}),
        "delete_http_route": (OBSERVED["apply_http_route"][0], EXISTS),
    }

    def __init__(self, sandbox: AwsSandbox) -> None:
        self._sandbox = sandbox
        sandbox.reset()
        sandbox.add_cluster(self.scope)
        # The settings of a worker name its only gateway.
        sandbox.add_listener("public")

    @property
    def environment(self) -> Mapping[str, str]:
        return self._sandbox.environment | {"PLT_ECS_RETRY_BASE_MS": "20"}

    def run(self, application: str, machines: int, labels: Mapping[str, str]) -> None:
        # Tags of a service cannot be removed from its tasks, so the labels are tags of the tasks.
        self._sandbox.add_service(
            application, self.scope, desired=machines, task_tags=dict(labels), propagate_tags=False
        )

    def run_without_controller(self) -> None:
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
    with AwsSandbox.in_thread(seed=False) as sandbox:
        yield lambda: Ecs(sandbox)
