"""Pods: their security, the time that they get to stop, and what they refer to."""

import pytest

from tests.deploy.helm.rendering import Object, Pod, Release, Renderer, values

USERS_SECRETS = {
    "trial": set(),
    "production": {
        "machinist-broker",
        "machinist-broker-ca",
        "machinist-seal",
        "machinist-tokens",
        "machinist-tls",
    },
    "cluster": {"machinist-broker-urls", "machinist-seal"},
    "remote-workers": {"machinist-broker", "machinist-seal"},
    "ecs": {"machinist-broker", "machinist-seal", "machinist-tokens"},
    "many-sets": {"machinist-broker", "machinist-seal", "machinist-tls", "machinist-clients"},
}
"""The Secrets that each example names."""
GENERATED = "machinist-credentials"
GENERATED_KEYS = {"username", "password", "seal-key", "token", "tokens"}
USERS_CONFIG_MAPS = {"machinist-rights", "ecs-listener"}
MARGIN_S = 10


def secrets(pod: Pod) -> list[tuple[str, set[str]]]:
    """Return the Secrets of a pod's volumes and variables, with the keys."""
    volumes = [each["secret"] for each in pod.spec.get("volumes", []) if "secret" in each]
    found = [(each["secretName"], keys(each)) for each in volumes]
    refs = [each.get("valueFrom", {}).get("secretKeyRef") for each in pod.variables.values()]
    return found + [(ref["name"], {ref["key"]}) for ref in refs if ref]


def config_maps(pod: Pod) -> list[tuple[str, set[str]]]:
    """Return the ConfigMaps of a pod's volumes and variables, with the keys."""
    volumes = [each["configMap"] for each in pod.spec.get("volumes", []) if "configMap" in each]
    found = [(each["name"], keys(each)) for each in volumes]
    refs = [each.get("valueFrom", {}).get("configMapKeyRef") for each in pod.variables.values()]
    return found + [(ref["name"], {ref["key"]}) for ref in refs if ref]


def keys(source: Object) -> set[str]:
    return {each["key"] for each in source.get("items", [])}


@pytest.mark.parametrize("example", USERS_SECRETS)
def test_every_secret_is_generated_or_named_by_the_user(
    releases: dict[str, Release], example: str
) -> None:
    used = [found for pod in releases[example].pods for found in secrets(pod)]
    generated = [found for name, found in used if name == GENERATED]

    assert {name for name, _ in used} - {GENERATED} == USERS_SECRETS[example]
    assert bool(generated) == bool(releases[example].of("Job"))
    assert set().union(*generated) <= GENERATED_KEYS


def test_every_config_map_is_rendered_or_named_by_the_user(release: Release) -> None:
    rendered = {each["metadata"]["name"]: each["data"] for each in release.of("ConfigMap")}
    for pod in release.pods:
        for name, found in config_maps(pod):
            assert found <= rendered[name].keys() if name in rendered else name in USERS_CONFIG_MAPS
    for each in release.of("RabbitmqCluster"):
        spec = each["spec"]["override"]["statefulSet"]["spec"]["template"]["spec"]
        sources = spec["volumes"][0]["projected"]["sources"]
        made, given = sources[0]["configMap"], sources[1]["secret"]
        assert keys(made) <= rendered[made["name"]].keys()
        assert given["name"] == "machinist-definitions"


def test_every_mount_has_its_volume_and_no_variable_occurs_twice(release: Release) -> None:
    for pod in release.pods:
        volumes = [each["name"] for each in pod.spec.get("volumes", [])]
        claims = ["data"] if pod.owner.startswith("StatefulSet") else []
        mounts = pod.container.get("volumeMounts", [])
        assert sorted({each["name"] for each in mounts}) == sorted([*volumes, *claims])
        assert len({each["mountPath"] for each in mounts}) == len(mounts)
        assert len(pod.variables) == len(pod.container.get("env", []))


def test_every_pod_is_restricted(release: Release) -> None:
    """As the Pod Security Standard `restricted` asks, and with a read-only root."""
    for pod in release.pods:
        assert pod.spec["securityContext"]["runAsNonRoot"]
        assert pod.spec["securityContext"]["runAsUser"] in (10001, 999)
        assert pod.spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod.container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "cpu" not in pod.container["resources"]["limits"]
        assert {"cpu", "memory"} <= pod.container["resources"]["requests"].keys()
        assert pod.spec["enableServiceLinks"] is False


def test_only_pods_that_call_the_api_server_get_its_token(release: Release) -> None:
    for pod in release.pods:
        needs = pod.owner.startswith("Job") or (
            pod.variables.get("PLT_PROVIDER", {}).get("value") == "k8s"
        )
        assert pod.spec["automountServiceAccountToken"] is needs
        if needs:
            assert pod.spec["serviceAccountName"] in {
                each["metadata"]["name"] for each in release.of("ServiceAccount")
            }


def test_a_gateway_has_time_to_drain_and_to_finish_requests(render: Renderer) -> None:
    given = {"gateway": {"drainSeconds": 25, "deadlinesMs": {"queries": 500, "commands": 60500}}}
    pod = render(given).pod("gateway")

    assert pod.variables["PLT_DRAIN_SECONDS"]["value"] == "25"
    assert pod.variables["PLT_DEADLINE_MS"]["value"] == "queries=500,commands=60500"
    assert pod.spec["terminationGracePeriodSeconds"] >= 25 + 60.5 + MARGIN_S


def test_a_worker_has_time_to_finish_operations(render: Renderer) -> None:
    pod = render({"workerDefaults": {"graceSeconds": 90}}).pod("worker")

    assert pod.variables["PLT_GRACE_SECONDS"]["value"] == "90"
    assert pod.spec["terminationGracePeriodSeconds"] >= 90 + MARGIN_S


def test_a_worker_spills_bodies_to_a_disk(release: Release) -> None:
    for pod in release.pods:
        if pod.labels["app.kubernetes.io/component"] == "worker":
            [tmp] = [each for each in pod.spec["volumes"] if each["name"] == "tmp"]
            mounts = {each["name"]: each["mountPath"] for each in pod.container["volumeMounts"]}
            assert mounts["tmp"] == pod.variables["TMPDIR"]["value"]
            assert tmp["emptyDir"] == {"sizeLimit": "1280Mi"}


def test_a_worker_set_takes_the_defaults_that_it_does_not_set(render: Renderer) -> None:
    """Also where a set says 0 or false, which Helm's own `merge` takes for absent."""
    given = {
        "workerDefaults": {"replicas": 4, "serviceAccount": {"annotations": {"a": "b"}}},
        "workers": [
            {"name": "one", "platform": "k8s", "scopes": ["one"]},
            {
                "name": "two",
                "platform": "k8s",
                "providerName": "k8s-two",
                "scopes": ["two"],
                "replicas": 0,
                "podDisruptionBudget": False,
                "serviceAccount": {"name": "mine"},
            },
        ],
    }
    release = render(given)

    replicas = [each["spec"]["replicas"] for each in release.of("Deployment")][1:]
    assert replicas == [4, 0]
    budgets = [each["metadata"]["name"] for each in release.of("PodDisruptionBudget")]
    assert budgets == ["machinist-gateway", "machinist-worker-one"]
    accounts = {each["metadata"]["name"]: each for each in release.of("ServiceAccount")}
    assert accounts["mine"]["metadata"]["annotations"] == {"a": "b"}


def test_irsa_annotates_the_service_account_of_ecs_workers(releases: dict[str, Release]) -> None:
    account = releases["ecs"].named("ServiceAccount", "machinist-worker-ecs")

    role = values("ecs")["workers"][0]["serviceAccount"]["annotations"]
    assert account["metadata"]["annotations"] == role
