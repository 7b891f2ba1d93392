"""The shipped Role is what the operations need: with it all succeed, and without any part not."""

import asyncio
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from contracts.faults import Code, Fault
from contracts.operation import Operation
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.calls import ample
from tests.kubernetes import rights
from tests.kubernetes.rights import IDLE, SHOP, Right
from worker.dispatch import methods
from worker.providers import k8s
from worker.providers.k8s.provider import KubernetesProvider

ROLE = rights.of_the_role()
KINDS = ("deployments.apps", "statefulsets.apps", "replicasets.apps", "replicationcontrollers")
POORER = {Right("list", kind) for kind in KINDS}
"""Without them answers say less, and nothing fails: no owner may fail a list."""
OPTIONAL = {Right("list", "horizontalpodautoscalers.autoscaling"), Right("get", "namespaces")}
"""Without them a scaling does not say what else scales the controller, and a Gateway that admits
namespaces by their labels may be chosen in vain."""
UNTOLD = {Right("create", "secrets")}
"""Refused in the middle of an apply, where the API server does not say which right was missing."""


class Outcome(NamedTuple):
    """What the uses of an operation gave, faults among it, and which rights they took."""

    answers: list[Any]
    used: set[Right]


class Worker:
    """A provider that may do what some rights let it."""

    def __init__(self, cluster: KubernetesSandbox, folder: Path, granted: Iterable[Right]) -> None:
        self._cluster = cluster
        rights.plant(cluster)
        rules = [(right.verb, right.resource, f"{SHOP} {IDLE}") for right in granted]
        file = folder / "token"
        file.write_text(cluster.restricted_token("machinist", *rules))
        self._environment = {
            "PLT_K8S_REST_API_URL": cluster.url,
            "PLT_K8S_CA_PATH": str(cluster.ca_path),
            "PLT_K8S_TOKEN_PATH": str(file),
        }

    def outcomes(self, operations: Collection[str] | None = None) -> dict[str, Outcome]:
        """What became of each operation, or of some."""
        return asyncio.run(self._outcomes(operations))

    async def _outcomes(self, operations: Collection[str] | None) -> dict[str, Outcome]:
        found = {}
        async with k8s.open_provider(self._environment) as provider:
            for name, uses in rights.operations(self._cluster).items():
                if operations is None or name in operations:
                    self._cluster.calls.clear()
                    answers = [await answer(provider, use) for use in uses]
                    found[name] = Outcome(answers, rights.used(self._cluster.calls))
        return found


async def answer(provider: KubernetesProvider, use: Operation[Any]) -> Any:
    try:
        return await methods(provider)[use.row.name](use, ample())
    except Fault as fault:
        return fault


def faults(outcomes: dict[str, Outcome]) -> list[Fault]:
    answers = [each for outcome in outcomes.values() for each in outcome.answers]
    return [each for each in answers if isinstance(each, Fault)]


def controllers(outcomes: dict[str, Outcome]) -> list[list[tuple[str, int]]]:
    """Which controllers the lists held, and with how many machines."""
    lists = [each.controllers for each in outcomes["get_controllers"].answers]
    return [sorted((each.name, len(each.machines or ())) for each in found) for found in lists]


@pytest.fixture(scope="module")
def whole(
    api_server: KubernetesSandbox, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Outcome]:
    """What becomes of the operations of a worker with the whole Role."""
    return Worker(api_server, tmp_path_factory.mktemp("whole"), ROLE).outcomes()


def test_every_operation_that_is_supported_is_tried(whole: dict[str, Outcome]) -> None:
    assert whole.keys() == methods(KubernetesProvider.__new__(KubernetesProvider)).keys()


def test_the_role_lets_every_operation_through(whole: dict[str, Outcome]) -> None:
    assert [str(fault) for fault in faults(whole)] == []


def test_the_role_grants_what_is_used_and_no_more(whole: dict[str, Outcome]) -> None:
    used = set().union(*(outcome.used for outcome in whole.values()))

    assert sorted(used) == sorted(ROLE)


@pytest.mark.parametrize("right", [each for each in ROLE if each not in POORER | OPTIONAL], ids=str)
def test_without_a_right_an_operation_is_refused_that_names_it(
    cluster: KubernetesSandbox, tmp_path: Path, whole: dict[str, Outcome], right: Right
) -> None:
    worker = Worker(cluster, tmp_path, [each for each in ROLE if each != right])
    affected = {name for name, outcome in whole.items() if right in outcome.used}

    failed = faults(worker.outcomes(affected))

    resource = right.resource.partition(".")[0]
    said = "secret" if right in UNTOLD else f"lacks the right to {right.verb} {resource} "
    refused = [fault.message for fault in failed if fault.code is Code.PLATFORM_FORBIDDEN]
    assert refused
    assert [message for message in refused if said not in message] == []


@pytest.mark.parametrize("right", sorted(POORER), ids=str)
def test_without_the_right_to_list_a_kind_lists_say_less(
    cluster: KubernetesSandbox, tmp_path: Path, whole: dict[str, Outcome], right: Right
) -> None:
    worker = Worker(cluster, tmp_path, [each for each in ROLE if each != right])

    outcomes = worker.outcomes(["get_machines", "get_controllers"])

    assert faults(outcomes) == []
    assert controllers(outcomes) != controllers(whole)
