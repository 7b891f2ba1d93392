"""The comparison of the audit with platforms that others have changed."""

from collections import Counter

import pytest

from gateway.console.__main__ import main
from tests.audit.conftest import Console, Ecs, Kubernetes
from tests.audit.plants import EcsPlants, KubernetesPlants
from tests.stack import Stack


def test_exactly_the_planted_drift_is_found_on_kubernetes(
    kubernetes: Kubernetes, console: Console
) -> None:
    plants = KubernetesPlants(kubernetes.gateway, kubernetes.sandbox)
    plants.plant()
    assert len(plants.expected) >= 30

    status, found, notes = console("verify", "--foreign")

    assert {(each["address"], each["kind"]) for each in found} == plants.expected
    assert status == 1
    assert len(found) == len(plants.expected)
    assert notes.count("not compared") == 0


def test_exactly_the_planted_drift_is_found_on_ecs(ecs: Ecs, console: Console) -> None:
    plants = EcsPlants(ecs.gateway, ecs.sandbox)
    plants.plant()

    status, found, _ = console("verify", "--foreign")

    assert {(each["address"], each["kind"]) for each in found} == plants.expected
    assert (status, len(found)) == (1, len(plants.expected))


def test_without_drift_the_status_is_0_and_filters_and_ignored_kinds_leave_drift_out(
    kubernetes: Kubernetes, console: Console
) -> None:
    kubernetes.history(2).send(2)
    assert console("verify")[:2] == (0, [])

    kubernetes.sandbox.remove("deployments.apps", "app-1")

    assert Counter(each["kind"] for each in console("verify")[1]) == {"deleted": 1}
    assert console("verify", "--name", "app-0")[:2] == (0, [])
    assert console("verify", "--ignore", "deleted")[:2] == (0, [])


def test_a_provider_without_a_worker_is_not_verified(
    stack: Stack, kubernetes: Kubernetes, console: Console
) -> None:
    kubernetes.history(1).send(1)
    kubernetes.worker.terminate()
    kubernetes.worker.ended()

    status, [found], _ = console("verify")

    assert status == 1
    assert "no worker is attached" in found["unchecked"]


def test_foreign_controllers_need_all_commands_of_a_scope(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["audit", "verify", "--foreign", "--by", "icc"]) == 2

    assert "expected none of --result, --operation" in capsys.readouterr().err
