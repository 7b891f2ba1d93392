"""The operations need exactly the rights in the shipped Role."""

import asyncio
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from contracts.faults import Code, Fault
from contracts.operation import Operation
from contracts.resources import Controllers, Machine
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.calls import ample
from tests.kubernetes import rights
from tests.kubernetes.rights import IDLE, SHOP, Right
from worker.dispatch import methods
from worker.provider import Call
from worker.providers import k8s
from worker.providers.k8s import access
from worker.providers.k8s.provider import KubernetesProvider

ROLE = rights.role_rights()
KINDS = ("deployments.apps", "statefulsets.apps", "replicasets.apps", "replicationcontrollers")
INFORMATIVE = {
    **{Right("list", kind): ["get_machines", "get_controllers"] for kind in KINDS},
    Right("list", "horizontalpodautoscalers.autoscaling"): ["update_controller_replicas"],
    Right("get", "namespaces"): ["apply_route_plan"],
}
"""Rights without which these operations have less information but do not fail."""
WATCHED = {
    Right("watch", f"{right.resource}.{right.group}".rstrip("."))
    for right in access.RIGHTS
    if "watch" in right.verbs
}
"""Rights of informers, without which reads are live; no single operation watches."""
UNNAMED = {Right("create", "secrets")}
"""Rights that the API server does not name when it refuses an apply without them."""


class Outcome(NamedTuple):
    """The results of an operation's uses, with faults and warnings, and the rights they needed."""

    answers: list[Any]
    warnings: list[str]
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
                    calls = [ample() for _ in uses]
                    made = zip(uses, calls, strict=True)
                    answers = [await answer(provider, use, call) for use, call in made]
                    warnings = [warning for call in calls for warning in call.warnings]
                    found[name] = Outcome(answers, warnings, rights.used(self._cluster.calls))
        return found


async def answer(provider: KubernetesProvider, use: Operation[Any], call: Call) -> Any:
    try:
        return await methods(provider)[use.row.name](use, call)
    except Fault as fault:
        return fault


def faults(outcomes: dict[str, Outcome]) -> list[Fault]:
    answers = [each for outcome in outcomes.values() for each in outcome.answers]
    return [each for each in answers if isinstance(each, Fault)]


def information(outcome: Outcome) -> list[Any]:
    """Return what an informative right contributes to: controllers, warnings and Gateways."""
    return [*outcome.warnings, *(sorted(named(answer)) for answer in outcome.answers)]


def named(answer: Any) -> list[Any]:
    match answer:
        case Controllers():
            return [(each.name, len(each.machines or ())) for each in answer.controllers]
        case [Machine(), *_]:
            return [(each.controller.kind, each.controller.name) for each in answer]
        case {"spec": {"parentRefs": [*gateways]}}:
            return [each["name"] for each in gateways]
    return []


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

    assert sorted(used | WATCHED) == sorted(ROLE)


def test_the_role_is_least_privilege() -> None:
    """No wildcard; neither a read of a secret nor a right to run commands or to gain rights."""
    verbs = {right.verb for right in ROLE}
    resources = {right.resource for right in ROLE}

    assert verbs == {"get", "list", "watch", "create", "patch", "delete"}
    assert {right.verb for right in ROLE if right.resource == "secrets"} == {"create", "patch"}
    assert not [each for each in resources if "*" in each or "/" in each]
    assert not [each for each in resources if "rbac.authorization.k8s.io" in each]
    assert len(ROLE) == len(set(ROLE))


@pytest.mark.parametrize(
    "right", [each for each in ROLE if each not in WATCHED.union(INFORMATIVE)], ids=str
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


@pytest.mark.parametrize("right", INFORMATIVE, ids=str)
def test_a_missing_informative_right_leaves_information_out(
    cluster: KubernetesSandbox, tmp_path: Path, complete: dict[str, Outcome], right: Right
) -> None:
    worker = Worker(cluster, tmp_path, [each for each in ROLE if each != right])

    outcomes = worker.outcomes(INFORMATIVE[right])

    assert faults(outcomes) == []
    assert [name for name in outcomes if information(outcomes[name]) != information(complete[name])]
