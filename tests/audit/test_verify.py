"""The comparison of the audit with platforms that others have changed."""

from collections import Counter

import pytest

from gateway.console.__main__ import main
from tests import forking
from tests.audit.conftest import Console, Ecs, Kubernetes
from tests.audit.plants import EcsPlants, KubernetesPlants
from tests.console.terminal import COLUMNS, in_terminal, lines
from tests.kubernetes.outside import patch
from tests.stack import REPOSITORY, Stack


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
    assert len(console("verify", "--scope", "default", "--name", "app-1")[1]) == 1
    assert console("verify", "--scope", "default", "--name", "app-0")[:2] == (0, [])
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


def test_a_table_fits_a_terminal_of_80_columns_and_is_whole_in_a_pipe(
    stack: Stack, kubernetes: Kubernetes, console: Console
) -> None:
    history = kubernetes.history(2)
    history.send(4)
    history.apply("app-0", labels={"a-rather-long-name": "a-rather-long-value", "tier": "web"})
    for name in ("app-0", "app-1"):
        changes = {"spec": {"replicas": 7}, "metadata": {"labels": {"a-rather-long-name": None}}}
        patch(kubernetes.sandbox, "deployments.apps", name, changes, "kubectl")
    variables = {"PLT_AMQP_URL": stack.amqp_url}

    for words in (["verify", "--foreign"], ["replay", "--provider", "k8s"]):
        _, shown = in_terminal(["audit", *words], REPOSITORY, variables)
        piped = forking.finish("gateway.console", "audit", *words, environment=variables).stdout

        assert [line for line in lines(shown) if len(line) > COLUMNS] == []
        assert "…" in shown
        assert "controllers.default.app-0" in piped
        assert "a-rather-long-name" in piped
        assert "…" not in piped
        assert "\x1b" not in piped


def test_foreign_controllers_need_all_commands_of_a_scope(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["audit", "verify", "--foreign", "--by", "icc"]) == 2

    assert "expected none of --result, --operation" in capsys.readouterr().err
