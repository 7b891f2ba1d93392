"""Every variable that the chart sets is one that the process reads."""

from typing import Any

import msgspec
import pytest

from contracts.process.environment import load, variable
from gateway.settings import Settings as GatewaySettings
from tests.deploy.helm.rendering import Pod, Release, Renderer
from worker.providers.ecs.settings import Settings as EcsSettings
from worker.providers.k8s.settings import Settings as KubernetesSettings
from worker.settings import Settings as WorkerSettings

SETTINGS: dict[str, list[Any]] = {
    "gateway": [GatewaySettings],
    "worker": [WorkerSettings, KubernetesSettings, EcsSettings],
}
OTHERS = {
    "BROKER_USERNAME",  # part of PLT_AMQP_URL
    "BROKER_PASSWORD",
    "TMPDIR",  # read by Python
    "OTEL_EXPORTER_OTLP_ENDPOINT",  # read by the OpenTelemetry SDK
}
SECRETS, FILE = ("PLT_AMQP_URL", "PLT_SEAL_KEY"), "_FILE"


def processes(release: Release) -> list[tuple[str, Pod]]:
    """Return the pods of gateways and workers with their component."""
    found = [(pod.labels["app.kubernetes.io/component"], pod) for pod in release.pods]
    return [each for each in found if each[0] in SETTINGS]


def test_every_variable_is_read_by_the_process(release: Release) -> None:
    for component, pod in processes(release):
        fields = [each for kind in SETTINGS[component] for each in msgspec.structs.fields(kind)]
        known = {variable(each.name) for each in fields} | OTHERS
        # Every secret variable has a twin with the path of a file.
        known |= {f"{name}{FILE}" for name in SECRETS}
        assert pod.variables.keys() - known == set(), pod.owner


def test_the_values_of_all_variables_are_valid(release: Release) -> None:
    for component, pod in processes(release):
        environment = {
            name: each.get("value", "")
            for name, each in pod.variables.items()
            if name.removesuffix(FILE) not in SECRETS or not name.endswith(FILE)
        }
        environment.setdefault("PLT_AMQP_URL", "amqp://broker/")
        environment["PLT_AMQP_URL"] = environment["PLT_AMQP_URL"].replace("$(", "").replace(")", "")
        for settings in SETTINGS[component]:
            if settings is not EcsSettings or environment.get("PLT_PROVIDER") == "ecs":
                load(settings, environment)


def test_parts_of_the_broker_url_come_before_it(releases: dict[str, Release]) -> None:
    """Kubernetes expands `$(NAME)` only if NAME stands earlier in the list."""
    for pod in (releases["trial"].pod("gateway"), releases["trial"].pod("worker")):
        names = list(pod.variables)
        assert names.index("BROKER_USERNAME") < names.index("PLT_AMQP_URL")
        assert names.index("BROKER_PASSWORD") < names.index("PLT_AMQP_URL")


def test_the_gateway_expects_the_providers_of_all_worker_sets(render: Renderer) -> None:
    release = render(
        {
            "gateway": {"providers": ["k8s-eu1"]},
            "workers": [
                {"name": "a", "platform": "k8s", "scopes": ["a"]},
                {"name": "b", "platform": "k8s", "scopes": ["a"]},
                {"name": "c", "platform": "k8s", "providerName": "k8s-c", "scopes": ["c"]},
            ],
        }
    )

    assert release.pod("gateway").variables["PLT_PROVIDERS"]["value"] == "k8s-eu1,k8s,k8s-c"


@pytest.mark.parametrize(
    ("given", "shown"),
    [(1048576000, "1048576000"), (0.5, "0.5"), (True, "true"), ("1e3", "1e3"), (0, "0")],
)
def test_numbers_in_env_keep_their_form(render: Renderer, given: object, shown: str) -> None:
    pod = render({"gateway": {"env": {"PLT_HELD_BYTES": given}}}).pod("gateway")

    assert pod.variables["PLT_HELD_BYTES"]["value"] == shown
