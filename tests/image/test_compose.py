"""deploy/compose.yaml: what it names exists, and nothing is open to other machines."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
import yaml

from contracts.process.environment import load, variable
from deploy.compose.prepare import HOST, prepare
from deploy.image.build import CHECKOUT, DOCKERFILE, TARGETS
from gateway.settings import Settings as GatewaySettings
from tests.image import dockerfile
from worker.providers.ecs.settings import Settings as EcsSettings
from worker.providers.k8s.settings import Settings as K8sSettings
from worker.settings import Settings as WorkerSettings

FILE = CHECKOUT / "deploy" / "compose.yaml"
SETTINGS = {
    "machinist-gateway": (GatewaySettings,),
    "machinist-worker": (WorkerSettings, K8sSettings, EcsSettings),
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return cast(dict[str, Any], yaml.safe_load(FILE.read_text()))


@pytest.fixture(scope="module")
def services(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return cast(dict[str, dict[str, Any]], document["services"])


def volumes(services: dict[str, dict[str, Any]]) -> Iterator[tuple[str, list[str]]]:
    """Return each service with the parts of each of its volumes."""
    for name, service in services.items():
        for volume in service.get("volumes", []):
            yield name, volume.split(":")


def test_every_part_of_the_system_is_a_service(services: dict[str, dict[str, Any]]) -> None:
    workers = {"worker-k8s", "worker-ecs"}
    others = {"prepare", "rabbitmq", "gateway", "sandbox", "prometheus", "grafana"}

    assert services.keys() == workers | others


def test_every_port_is_published_on_loopback_only(services: dict[str, dict[str, Any]]) -> None:
    ports = [port for service in services.values() for port in service.get("ports", [])]

    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert not [name for name, each in services.items() if each.get("network_mode") == "host"]


def test_no_password_is_written_in_the_file(services: dict[str, dict[str, Any]]) -> None:
    """The sandbox does not check the key of AWS that its workers use."""
    environments = {name: each.get("environment", {}) for name, each in services.items()}
    secret = [
        (name, key)
        for name, environment in environments.items()
        for key in environment
        if any(word in key for word in ("PASS", "SECRET", "SEAL_KEY", "AMQP_URL"))
    ]

    assert sorted(key for _, key in secret if not key.endswith("_FILE")) == [
        "AWS_SECRET_ACCESS_KEY"
    ]
    assert not re.search(r"://[^/\s]*@", FILE.read_text())


def test_every_build_has_a_target_and_our_processes_a_read_only_root(
    services: dict[str, dict[str, Any]],
) -> None:
    ours = {name: each for name, each in services.items() if "build" in each}

    assert {each["build"]["target"] for each in ours.values()} <= set(TARGETS)
    assert len(ours) == 5
    for service in ours.values():
        assert FILE.parent / service["build"]["context"] / service["build"]["dockerfile"] == (
            FILE.parent / ".." / DOCKERFILE.relative_to(CHECKOUT)
        )
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
    assert all(":" in each["image"] for each in services.values())


def test_every_mounted_file_exists_and_every_volume_is_declared(
    document: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    sources = [parts[0] for _, parts in volumes(services)]
    files = [source for source in sources if source.startswith(".")]

    assert [file for file in files if not (FILE.parent / file).is_file()] == []
    assert {source for source in sources if source not in files} == document["volumes"].keys()


def test_a_dependency_on_health_has_a_health_check(services: dict[str, dict[str, Any]]) -> None:
    conditions = [
        (other, condition["condition"])
        for service in services.values()
        for other, condition in service.get("depends_on", {}).items()
    ]

    assert {other for other, _ in conditions} <= services.keys()
    for other, condition in conditions:
        assert condition != "service_healthy" or "healthcheck" in services[other]
    assert ("prepare", "service_completed_successfully") in conditions


def test_our_processes_get_only_variables_that_they_read(
    services: dict[str, dict[str, Any]],
) -> None:
    for service in services.values():
        [program] = service.get("command", [""])[:1]
        known = {
            variable(field.name)
            for settings in SETTINGS.get(program, ())
            for field in msgspec.structs.fields(settings)
        }
        names = {name.removesuffix("_FILE") for name in service.get("environment", {})}
        assert {name for name in names if name.startswith("PLT_")} <= known


def test_folders_of_volumes_belong_to_the_user_of_the_tools(
    services: dict[str, dict[str, Any]],
) -> None:
    """A new volume takes the owner of the folder in the image that it is mounted on first."""
    [run] = [each for each in dockerfile.stages()["machinist-sandbox"] if each.name == "RUN"]
    text = " ".join(run.words)
    targets = {parts[1] for name, parts in volumes(services) if name in ("prepare", "sandbox")}

    assert "chown 10001:10001 /run/machinist/$folder" in text
    folders = text.split("for folder in ")[1].split(";")[0].split()
    assert targets == {f"/run/machinist/{folder}" for folder in folders}


def test_the_preparation_makes_what_the_services_read(
    tmp_path: Path, services: dict[str, dict[str, Any]]
) -> None:
    prepare(tmp_path)
    prefix = "/run/machinist/"
    files = {
        value.removeprefix(prefix)
        for name, service in services.items()
        for key, value in service.get("environment", {}).items()
        if key.endswith("_FILE")
    }

    assert files == {
        "secrets/seal-key",
        *(f"secrets/{user}.url" for user in ("gateway", "worker-k8s", "worker-ecs")),
    }
    for file in files:
        assert (tmp_path / file).stat().st_mode & 0o077 == 0
    for url in (tmp_path / "secrets").glob("*.url"):
        settings = load(GatewaySettings, {"PLT_AMQP_URL_FILE": str(url)})
        assert f"@{HOST}/" in settings.amqp_url.read()
    assert HOST in services


def test_a_second_preparation_keeps_every_secret(tmp_path: Path) -> None:
    prepare(tmp_path)
    first = {file: file.read_text() for file in (tmp_path / "secrets").iterdir()}
    prepare(tmp_path)

    assert {file: file.read_text() for file in (tmp_path / "secrets").iterdir()} == first


def test_the_definitions_have_the_exchanges_before_the_rights(tmp_path: Path) -> None:
    prepare(tmp_path)
    first, second = sorted((tmp_path / "broker").iterdir())
    queues, rights = json.loads(first.read_text()), json.loads(second.read_text())

    assert queues["vhosts"] == [{"name": "/"}]
    assert queues["exchanges"]
    assert all(user["password_hash"] for user in rights["users"])


@pytest.mark.full
def test_the_identifiers_are_those_of_the_sandbox(
    tmp_path: Path, services: dict[str, dict[str, Any]]
) -> None:
    command = [sys.executable, "-m", "deploy.sandbox", "--directory", str(tmp_path)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as sandbox:
        try:
            assert sandbox.stdout is not None
            printed = json.loads(sandbox.stdout.readline())["aws"]["environment"]
        finally:
            sandbox.terminate()
    given = services["worker-ecs"]["environment"]

    differing = {name for name, value in printed.items() if given.get(name) != value}
    assert differing == {"PLT_ECS_ENDPOINT"}
