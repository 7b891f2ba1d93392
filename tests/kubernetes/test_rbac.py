"""The operations need exactly the rights in the shipped Role."""

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

ROLE = rights.role_rights()
KINDS = ("deployments.apps", "statefulsets.apps", "replicasets.apps", "replicationcontrollers")
SHORTER_LISTS = {Right("list", kind) for kind in KINDS}
"""Rights without which lists are shorter but do not fail."""
OPTIONAL = {Right("list", "horizontalpodautoscalers.autoscaling"), Right("get", "namespaces")}
"""Without the first, a scaling has no warning about an autoscaler; without the second, a Gateway
with a namespace selector may be chosen although it does not admit the namespace."""
UNNAMED = {Right("create", "secrets")}
"""Rights that the API server does not name when it refuses an apply without them."""


class Outcome(NamedTuple):
    """The results of an operation's uses, with faults, and the rights that they needed."""

    answers: list[Any]
    used: set[Right]


class Worker:
    """A provider with some rights."""

    def __init__(self, cluster: KubernetesSandbox, folder: Path, granted: Iterable[Right]) -> None:
        self._cluster = cluster
        rights.populate(cluster)
        rules = [(right.verb, right.resource, f"{SHOP} {IDLE}") for right in granted]
        file = folder / "token"
        file.write_text(cluster.restricted_token("machinist", *rules))
        self._environment = cluster.environment | {"PLT_K8S_TOKEN_PATH": str(file)}

    def outcomes(self, operations: Collection[str] | None = None) -> dict[str, Outcome]:
        """Run the uses of all operations, or of some."""
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
    """Return the controllers in each list, with the number of their machines."""
    lists = [each.controllers for each in outcomes["get_controllers"].answers]
    return [sorted((each.name, len(each.machines or ())) for each in found) for found in lists]


@pytest.fixture(scope="module")
def complete(
    api_server: KubernetesSandbox, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Outcome]:
    """The outcomes of all operations with the complete Role."""
    return Worker(api_server, tmp_path_factory.mktemp("complete"), ROLE).outcomes()


def test_every_supported_operation_is_tried(complete: dict[str, Outcome]) -> None:
    assert complete.keys() == methods(KubernetesProvider.__new__(KubernetesProvider)).keys()


def test_the_role_allows_every_operation(complete: dict[str, Outcome]) -> None:
    assert [str(fault) for fault in faults(complete)] == []


def test_the_role_grants_exactly_the_used_rights(complete: dict[str, Outcome]) -> None:
    used = set().union(*(outcome.used for outcome in complete.values()))

    assert sorted(used) == sorted(ROLE)


@pytest.mark.parametrize(
    "right", [each for each in ROLE if each not in SHORTER_LISTS | OPTIONAL], ids=str
)
def test_a_missing_right_refuses_an_operation_and_is_named(
    cluster: KubernetesSandbox, tmp_path: Path, complete: dict[str, Outcome], right: Right
) -> None:
    worker = Worker(cluster, tmp_path, [each for each in ROLE if each != right])
    affected = {name for name, outcome in complete.items() if right in outcome.used}

    failed = faults(worker.outcomes(affected))

    resource = right.resource.partition(".")[0]
    expected = "secret" if right in UNNAMED else f"lacks the right to {right.verb} {resource} "
    refused = [fault.message for fault in failed if fault.code is Code.PLATFORM_FORBIDDEN]
    assert refused
    assert [message for message in refused if expected not in message] == []


@pytest.mark.parametrize("right", sorted(SHORTER_LISTS), ids=str)
def test_a_missing_right_to_list_a_kind_shortens_lists(
    cluster: KubernetesSandbox, tmp_path: Path, complete: dict[str, Outcome], right: Right
) -> None:
    worker = Worker(cluster, tmp_path, [each for each in ROLE if each != right])

    outcomes = worker.outcomes(["get_machines", "get_controllers"])

    assert faults(outcomes) == []
    assert controllers(outcomes) != controllers(complete)
