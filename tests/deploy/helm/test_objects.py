"""Each example renders to objects that an API server accepts and that fit together."""

import re
from typing import Any

import pytest
import yaml

from deploy.helm.files import CHART
from tests.deploy.helm.rendering import Object, Pod, Release, Renderer
from tests.deploy.helm.schemas import VERSIONS, errors

DNS_LABEL = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
CLUSTER_WIDE = ("ClusterRole", "ClusterRoleBinding")
OPERATORS_LABEL = {"app.kubernetes.io/name": "machinist-broker"}
"""The label of the pods of a RabbitmqCluster, which the operator sets."""


def path_of(each: Object) -> str:
    return f"{each['kind']}/{each['metadata']['name']}"


def matches(selector: Object, pod: Pod) -> bool:
    wanted: dict[str, str] = selector["matchLabels"]
    return wanted.items() <= pod.labels.items()


def selectors(each: Any) -> list[Object]:
    """Return all selectors of pods of this namespace in an object."""
    if isinstance(each, list):
        return [found for inner in each for found in selectors(inner)]
    if not isinstance(each, dict):
        return []
    own = [] if "namespaceSelector" in each else [each.get("podSelector"), each.get("selector")]
    inner = [found for value in each.values() for found in selectors(value)]
    return [found for found in own if found and "matchLabels" in found] + inner


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_has_the_schema_of_its_kind(release: Release, version: str) -> None:
    wrong = {path_of(each): errors(each, version) for each in release.objects}

    assert {path: found for path, found in wrong.items() if found} == {}


def test_names_are_unique_and_fit_every_kind(release: Release) -> None:
    keys = [(path_of(each), each["metadata"].get("namespace")) for each in release.objects]

    assert len(keys) == len(set(keys))
    for each in release.objects:
        if each["kind"] in ("Service", "Deployment", "StatefulSet"):
            assert DNS_LABEL.fullmatch(each["metadata"]["name"])
        assert ("namespace" not in each["metadata"]) == (each["kind"] in CLUSTER_WIDE)
        assert [
            v for v in each["metadata"]["labels"].values() if not LABEL_VALUE.fullmatch(v)
        ] == []


def test_the_longest_names_fit(render: Renderer) -> None:
    name = "r" + 51 * "x" + "r"
    workers = [{"name": 20 * "w", "platform": "k8s", "scopes": ["default"]}]

    test_names_are_unique_and_fit_every_kind(render({"workers": workers}, name))


def test_every_selector_selects_a_pod(release: Release) -> None:
    for each in release.objects:
        if each["kind"] in ("ServiceMonitor", "RabbitmqCluster"):
            continue
        for selector in selectors(each.get("spec", {})):
            if selector["matchLabels"] != OPERATORS_LABEL:
                assert any(matches(selector, pod) for pod in release.pods), path_of(each)


def test_a_workload_selects_its_own_pods_only(release: Release) -> None:
    for each in release.of("Deployment", "StatefulSet"):
        owners = [pod.owner for pod in release.pods if matches(each["spec"]["selector"], pod)]
        assert owners == [path_of(each)]


def test_a_service_selects_pods_with_its_ports(release: Release) -> None:
    for service in release.of("Service"):
        selector = {"matchLabels": service["spec"]["selector"]}
        pods = [pod for pod in release.pods if matches(selector, pod)]
        assert pods
        for port in service["spec"]["ports"]:
            assert len(port["name"]) <= 15
            for pod in pods:
                assert port["targetPort"] in {each["name"] for each in pod.container["ports"]}


def test_the_service_monitor_selects_the_service_of_metrics(releases: dict[str, Release]) -> None:
    release = releases["cluster"]
    monitor = release.named("ServiceMonitor", "machinist-metrics")["spec"]
    broker = release.named("ServiceMonitor", "machinist-broker")["spec"]
    assert broker["selector"]["matchLabels"] == OPERATORS_LABEL
    services = [
        each
        for each in release.of("Service")
        if monitor["selector"]["matchLabels"].items() <= each["metadata"]["labels"].items()
    ]

    assert [each["metadata"]["name"] for each in services] == ["machinist-metrics"]
    names = [port["name"] for port in services[0]["spec"]["ports"]]
    assert [each["port"] for each in monitor["endpoints"]] == names


def test_probes_and_policies_name_ports_of_the_container(release: Release) -> None:
    for pod in release.pods:
        names = {each["name"] for each in pod.container.get("ports", [])}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            for action in ("httpGet", "tcpSocket"):
                port = pod.container.get(probe, {}).get(action, {}).get("port")
                assert port is None or port in names
    every = {each["name"] for pod in release.pods for each in pod.container.get("ports", [])}
    for policy in release.of("NetworkPolicy"):
        for rule in [*policy["spec"]["ingress"], *policy["spec"]["egress"]]:
            named = {each["port"] for each in rule["ports"] if isinstance(each["port"], str)}
            assert named <= every


def test_ports_of_gateways_and_workers_are_those_in_their_variables(release: Release) -> None:
    for pod in release.pods:
        if pod.labels["app.kubernetes.io/component"] in ("gateway", "worker"):
            ports = {each["name"]: str(each["containerPort"]) for each in pod.container["ports"]}
            assert pod.variables["PLT_METRICS_PORT"]["value"] == ports["metrics"]
            assert pod.variables.get("PLT_PORT", {}).get("value") == ports.get("http")


def test_scalers_and_budgets_refer_to_deployments(release: Release) -> None:
    names = {each["metadata"]["name"] for each in release.of("Deployment")}
    for each in release.of("HorizontalPodAutoscaler", "ScaledObject"):
        target = each["spec"]["scaleTargetRef"]["name"]
        assert target in names
        assert "replicas" not in release.named("Deployment", target)["spec"]
    for each in release.of("ScaledObject"):
        refs = {trigger["authenticationRef"]["name"] for trigger in each["spec"]["triggers"]}
        assert refs <= {found["metadata"]["name"] for found in release.of("TriggerAuthentication")}


def test_routes_refer_to_the_gateways_service(releases: dict[str, Release]) -> None:
    [rule] = releases["production"].of("Ingress")[0]["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    service = releases["production"].named("Service", backend["name"])
    assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}

    [ref] = releases["cluster"].of("HTTPRoute")[0]["spec"]["rules"][0]["backendRefs"]
    service = releases["cluster"].named("Service", ref["name"])
    assert ref["port"] in {port["port"] for port in service["spec"]["ports"]}


def test_alerts_and_dashboards_are_unchanged_files(releases: dict[str, Release]) -> None:
    """Both contain `{{ }}` of their own, which are not Helm's."""
    release = releases["cluster"]
    folder = CHART / "files"
    rule = release.named("PrometheusRule", "machinist-metrics")
    dashboard = release.named("ConfigMap", "machinist-dashboard-machinist")

    assert rule["spec"] == yaml.safe_load((folder / "alerts.yaml").read_text())
    text = (folder / "dashboards" / "machinist.json").read_text()
    assert dashboard["data"] == {"machinist.json": text}
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
