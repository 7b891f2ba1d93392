"""RBAC: a Role per namespace or a ClusterRole, with the rights of files/rights.yaml."""

import yaml

from deploy.helm.files import CHART, DEPLOY
from tests.deploy.helm.rendering import NAMESPACE, Object, Release

RIGHTS = yaml.safe_load((CHART / "files" / "rights.yaml").read_text())


def bound(release: Release, kind: str) -> list[tuple[str | None, list[Object], str]]:
    """Return namespace, rules and ServiceAccount of each binding of workers to a kind of role."""
    bindings = [each for each in release.of(f"{kind}Binding") if is_of_worker(each)]
    found = []
    for each in bindings:
        assert each["roleRef"]["kind"] == kind
        namespace = each["metadata"].get("namespace")
        [role] = [
            role
            for role in release.of(kind)
            if role["metadata"]["name"] == each["roleRef"]["name"]
            and role["metadata"].get("namespace") == namespace
        ]
        [subject] = each["subjects"]
        assert subject["namespace"] == NAMESPACE
        found.append((namespace, role["rules"], subject["name"]))
    return found


def is_of_worker(each: Object) -> bool:
    return bool(each["metadata"]["labels"]["app.kubernetes.io/component"] == "worker")


def test_each_namespace_of_a_set_has_a_role_for_its_workers(releases: dict[str, Release]) -> None:
    release = releases["many-sets"]
    expected = {
        ("shop", "machinist-worker-shop"),
        ("shop-staging", "machinist-worker-shop"),
        ("billing", "machinist-worker-billing"),
        ("tools", "machinist-worker-tools"),
    }

    roles = bound(release, "Role")
    assert {(where, account) for where, rules, account in roles if rules == RIGHTS} == expected
    assert bound(release, "ClusterRole") == []


def test_a_set_for_all_namespaces_has_a_cluster_role(releases: dict[str, Release]) -> None:
    assert bound(releases["cluster"], "ClusterRole") == [(None, RIGHTS, "machinist-worker-k8s")]


def test_gateways_of_other_namespaces_are_readable_by_name(releases: dict[str, Release]) -> None:
    rule = {
        "apiGroups": ["gateway.networking.k8s.io"],
        "resources": ["gateways"],
        "resourceNames": ["public"],
        "verbs": ["get"],
    }

    for example, account in (("cluster", "k8s"), ("many-sets", "shop")):
        roles = bound(releases[example], "Role")
        assert ("infra", [rule], f"machinist-worker-{account}") in roles
    worker = releases["cluster"].pod("worker")
    assert worker.variables["PLT_K8S_GATEWAYS"]["value"] == "infra/public"


def test_ecs_workers_have_no_rights_in_the_cluster(releases: dict[str, Release]) -> None:
    assert releases["ecs"].of("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding") == []


def test_the_rights_for_kubectl_are_those_of_the_chart() -> None:
    documents = yaml.safe_load_all((DEPLOY / "kubernetes" / "rbac.yaml").read_text())

    [role] = [each for each in documents if each["kind"] == "Role"]
    assert role["rules"] == RIGHTS
