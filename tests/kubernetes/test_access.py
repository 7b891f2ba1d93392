"""The provider reports the rights that its credentials lack."""

from pathlib import Path

import pytest

from contracts.faults import Code, Fault
from contracts.platform_access import Access, Lack
from deploy.sandbox.kubernetes.server import KubernetesSandbox
from tests.calls import ample
from tests.kubernetes.rights import Right, role_rights
from worker.providers import k8s
from worker.providers.k8s.access import RIGHTS


async def access(
    cluster: KubernetesSandbox, folder: Path, *rules: tuple[str, str, str], scopes: list[str]
) -> Access:
    """Return what a provider with these rights reports."""
    file = folder / "token"
    file.write_text(cluster.restricted_token("doctor", *rules))
    environment = cluster.environment | {"PLT_K8S_TOKEN_PATH": str(file)}
    async with k8s.open_provider(environment) as provider:
        return await provider.platform_access(scopes, ample())


def test_the_rights_are_those_of_the_shipped_role():
    checked = {
        Right(verb, f"{right.resource}.{right.group}".rstrip("."))
        for right in RIGHTS
        for verb in right.verbs
    }

    assert checked == set(role_rights())


async def test_the_shipped_role_lacks_nothing(cluster, provider):
    found = await provider.platform_access(["default", "shop"], ample())

    assert found == Access("k8s", cluster.url)


async def test_each_lacking_right_is_reported_with_its_namespace(cluster, tmp_path):
    complete = [
        (right.verb, right.resource, "default shop")
        for right in role_rights()
        if right.resource != "secrets"
    ]
    rules = [*complete, ("create patch", "secrets", "default"), ("create", "secrets", "shop")]

    found = await access(cluster, tmp_path, *rules, scopes=["default", "shop"])

    assert found.lacks == [Lack("shop", "patch secrets", "secrets and pull secrets")]


async def test_a_right_without_which_only_information_is_missing_is_optional(cluster, tmp_path):
    autoscalers = "horizontalpodautoscalers.autoscaling"
    rules = [
        (each.verb, each.resource, "") for each in role_rights() if each.resource != autoscalers
    ]

    found = await access(cluster, tmp_path, *rules, scopes=["default"])

    assert [(lack.right, lack.optional) for lack in found.lacks] == [
        (f"list {autoscalers}", True),
        (f"watch {autoscalers}", True),
    ]


async def test_without_a_scope_only_the_api_server_is_reached(cluster, tmp_path):
    found = await access(cluster, tmp_path, scopes=[])

    assert found == Access("k8s", cluster.url)
    assert len(cluster.calls) == 1


async def test_an_invalid_namespace_is_reported_before_any_request(cluster, provider):
    with pytest.raises(Fault) as raised:
        await provider.platform_access(["no/namespace"], ample())

    assert raised.value.code is Code.INVALID
    assert len(cluster.calls) == 0


async def test_an_api_server_that_refuses_connections_is_unreachable(environment):
    nowhere = environment | {"PLT_K8S_REST_API_URL": "https://127.0.0.1:1"}
    async with k8s.open_provider(nowhere) as provider:
        with pytest.raises(Fault) as raised:
            await provider.platform_access([], ample())

    assert raised.value.code is Code.PLATFORM_UNREACHABLE
