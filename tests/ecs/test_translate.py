"""The translation of tasks and services into the contract's resources."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from msgspec import UNSET

from contracts.resources import Port, Quantities
from worker.providers.ecs import translate
from worker.providers.ecs.aws.answers import Service, Task, TaskDefinition

ID = "0123456789abcdef0123456789abcdef"
ARN = f"arn:aws:ecs:eu-central-1:123456789012:task/shop/{ID}"


def task(**fields: Any) -> Task:
    running = {"taskArn": ARN, "lastStatus": "RUNNING", "desiredStatus": "RUNNING"}
    return msgspec.convert(running | fields, Task)


def service(**fields: Any) -> Service:
    active = {"serviceArn": "arn:x/web", "serviceName": "web", "status": "ACTIVE"}
    return msgspec.convert(active | fields, Service)


def tags(**pairs: str) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in pairs.items()]


def test_a_task_is_a_machine():
    machine = translate.machine(
        task(
            group="service:web",
            healthStatus="HEALTHY",
            cpu="256",
            memory="512",
            startedAt=datetime(2026, 11, 18, 12, 0, 0, 123456, timezone(timedelta(hours=2))),
            containers=[{"name": "web", "image": "registry/web:1", "imageDigest": "sha256:ab"}],
            tags=tags(app="shop"),
        ),
        None,
    )

    assert msgspec.to_builtins(machine) == {
        "id": ID,
        "status": "RUNNING",
        "ready": True,
        "labels": {"app": "shop"},
        "startTime": "2026-11-18T10:00:00.123Z",
        "image": "registry/web:1",
        "imageDigest": "sha256:ab",
        "controller": {"name": "web"},
        "resources": {
            "limits": {"cpu": "256", "memory": "512"},
            "requests": {"cpu": "256", "memory": "512"},
        },
    }


def test_missing_fields_are_left_out():
    machine = translate.machine(task(lastStatus="PROVISIONING"), None)

    assert msgspec.to_builtins(machine) == {
        "id": ID,
        "status": "PROVISIONING",
        "ready": False,
        "labels": {},
    }


def test_a_missing_amount_alone_is_left_out():
    machine = translate.machine(task(cpu="256"), None)

    assert machine.resources == Quantities(limits={"cpu": "256"}, requests={"cpu": "256"})


def test_labels_of_a_task_override_the_labels_of_its_service():
    machine = translate.machine(
        task(tags=tags(version="2", own="t")), service(tags=tags(version="1", app="shop"))
    )

    assert machine.labels == {"app": "shop", "version": "2", "own": "t"}


@pytest.mark.parametrize(
    ("group", "name"),
    [("service:web", "web"), ("family:web", None), ("", None), ("service:", None)],
)
def test_the_controller_is_the_service_of_the_group(group, name):
    reference = translate.machine(task(group=group), None).controller

    assert (reference.name if reference else None) == name


@pytest.mark.parametrize(
    ("last", "desired", "alive"),
    [
        ("PROVISIONING", "RUNNING", True),
        ("PENDING", "RUNNING", True),
        ("ACTIVATING", "RUNNING", True),
        ("RUNNING", "RUNNING", True),
        ("RUNNING", "STOPPED", False),
        ("PENDING", "STOPPED", False),
        ("DEACTIVATING", "STOPPED", False),
        ("STOPPING", "STOPPED", False),
        ("DEPROVISIONING", "STOPPED", False),
        ("STOPPED", "STOPPED", False),
        ("DELETED", "STOPPED", False),
        ("SOMETHING_NEW", "RUNNING", False),
    ],
)
def test_a_running_or_starting_task_is_alive(last, desired, alive):
    assert translate.is_alive(task(lastStatus=last, desiredStatus=desired)) is alive


@pytest.mark.parametrize(
    ("last", "desired", "health", "ready"),
    [
        ("RUNNING", "RUNNING", "HEALTHY", True),
        ("RUNNING", "RUNNING", "UNKNOWN", True),
        ("RUNNING", "RUNNING", "UNHEALTHY", False),
        ("RUNNING", "STOPPED", "HEALTHY", False),
        ("PENDING", "RUNNING", "UNKNOWN", False),
        ("STOPPED", "STOPPED", "UNKNOWN", False),
    ],
)
def test_a_task_that_takes_traffic_is_ready(last, desired, health, ready):
    found = task(lastStatus=last, desiredStatus=desired, healthStatus=health)

    assert translate.machine(found, None).ready is ready


@pytest.mark.parametrize(
    ("group", "containers", "image"),
    [
        ("service:web", ["sidecar", "web"], "web:1"),
        ("service:other", ["app", "sidecar"], "app:1"),
        ("family:other", ["aws-guardduty-agent-aB3xY", "app"], "app:1"),
        ("service:other", ["ecs-service-connect-oRK9o", "app", "sidecar"], "app:1"),
        ("service:web", ["aws-guardduty-agent-aB3xY"], UNSET),
    ],
)
def test_the_main_container_has_the_service_name_or_is_the_first_not_added_by_aws(
    group, containers, image
):
    listed = [{"name": name, "image": f"{name}:1"} for name in containers]

    assert translate.machine(task(group=group, containers=listed), None).image == image


def test_a_service_is_a_controller():
    controller = translate.controller(
        service(desiredCount=3, runningCount=1, tags=tags(app="shop"))
    )

    assert msgspec.to_builtins(controller) == {
        "name": "web",
        "replicas": 3,
        "labels": {"app": "shop"},
        "providerMetadata": {},
    }


@pytest.mark.parametrize(
    ("status", "active"), [("ACTIVE", True), ("DRAINING", False), ("INACTIVE", False)]
)
def test_a_deleted_service_is_not_active(status, active):
    assert translate.is_active(service(status=status)) is active


@pytest.mark.parametrize(
    ("fields", "ports"),
    [
        ({}, []),
        ({"loadBalancers": [{"containerPort": 3042}, {"containerPort": 9090}]}, [3042, 9090]),
        ({"loadBalancers": [{"containerPort": 80}, {"containerPort": 80}]}, [80]),
        ({"serviceRegistries": [{"registryArn": "x", "port": 3042}]}, [3042]),
        ({"serviceRegistries": [{"registryArn": "x", "containerPort": 3042}]}, [3042]),
        ({"serviceRegistries": [{"registryArn": "x"}]}, []),
        (
            {
                "loadBalancers": [{"containerPort": 80}],
                "serviceRegistries": [{"registryArn": "x", "port": 3042}],
            },
            [80],
        ),
    ],
)
def test_ports_are_read_from_load_balancers_then_from_cloud_map(fields, ports):
    found = translate.service_ports(service(**fields))

    assert found == [Port(port=port, protocol="TCP") for port in ports]


def test_the_ports_of_containers_are_in_the_order_of_their_definition():
    definition = msgspec.convert(
        {
            "taskDefinitionArn": "arn",
            "containerDefinitions": [
                {
                    "portMappings": [
                        {"containerPort": 3042},
                        {"containerPort": 53, "protocol": "udp"},
                    ]
                },
                {},
                {"portMappings": [{"containerPortRange": "1-9"}, {"containerPort": 9090}]},
            ],
        },
        TaskDefinition,
    )

    assert translate.container_ports(definition) == [
        Port(port=3042, protocol="TCP"),
        Port(port=53, protocol="UDP"),
        Port(port=9090, protocol="TCP"),
    ]


def test_an_endpoint_has_the_name_and_labels_of_its_service():
    endpoint = translate.endpoint(service(tags=tags(a="b")), [], UNSET)

    assert msgspec.to_builtins(endpoint) == {"name": "web", "labels": {"a": "b"}, "ports": []}


def test_a_time_is_in_utc_with_milliseconds():
    assert translate.iso(datetime(2026, 1, 2, tzinfo=UTC)) == "2026-01-02T00:00:00.000Z"
