"""Applying again removes own fields and keeps other writers' fields; without a server."""

import copy
from typing import Any

import pytest

from tests.kubernetes import manifests
from tests.kubernetes.written import applied, changed, written
from worker.providers.k8s.kinds import HTTP_ROUTES, KINDS, SERVICES
from worker.providers.k8s.workloads.manifests import change, read

Json = dict[str, Any]
RESTARTED = {"kubectl.kubernetes.io/restartedAt": "2026-01-02T00:00:00Z"}


def containers(found: Json) -> list[Json]:
    listed: list[Json] = found["spec"]["template"]["spec"]["containers"]
    return listed


def in_template(**pod: Any) -> Json:
    return {"spec": {"template": pod}}


def with_container(**more: Any) -> Json:
    """Return the manifest of a Deployment with further fields in its only container."""
    manifest = manifests.deployment()
    containers(manifest)[0] |= more
    return manifest


def edited(live: Json, position: int = 0, **fields: Any) -> Json:
    """Return a patch of the containers with other fields in one of them."""
    found = copy.deepcopy(containers(live))
    found[position] |= fields
    return in_template(spec={"containers": found})


def test_a_restart_annotation_of_a_pod_template_is_kept():
    live = written(manifests.deployment())
    restarted = changed(live, "kubectl-rollout", in_template(metadata={"annotations": RESTARTED}))

    after = applied(restarted, manifests.deployment(image="r.example/web:2"))

    assert after["spec"]["template"]["metadata"]["annotations"] == RESTARTED
    assert containers(after)[0]["image"] == "r.example/web:2"


def test_an_own_annotation_is_removed_and_others_annotations_are_kept():
    manifest = manifests.deployment()
    manifest["spec"]["template"]["metadata"]["annotations"] = {"ours": "1"}
    live = written(manifest)
    restarted = changed(live, "kubectl-rollout", in_template(metadata={"annotations": RESTARTED}))

    after = applied(restarted, manifests.deployment())

    assert after["spec"]["template"]["metadata"]["annotations"] == RESTARTED


def test_own_labels_are_removed_and_others_labels_are_kept():
    live = written(manifests.service(metadata={"name": "web", "labels": {"a": "1", "b": "1"}}))
    labelled = changed(live, "kubectl-label", {"metadata": {"labels": {"theirs": "1"}}})

    after = applied(labelled, manifests.service(metadata={"name": "web", "labels": {"a": "2"}}))

    assert after["metadata"]["labels"] == {"a": "2", "theirs": "1"}


def test_addresses_that_other_writers_gave_a_service_are_kept():
    manifest = manifests.service()
    manifest["spec"]["type"] = "LoadBalancer"
    given = {"loadBalancerIP": "192.0.2.7", "externalIPs": ["192.0.2.9"]}
    live = changed(written(manifest), "ip-allocator", {"spec": given})

    after = applied(live, manifest)

    assert {key: after["spec"][key] for key in given} == given


def test_an_own_field_is_removed_if_the_manifest_drops_it():
    manifest = manifests.service()
    manifest["spec"]["externalTrafficPolicy"] = "Local"

    after = applied(written(manifest), manifests.service())

    assert "externalTrafficPolicy" not in after["spec"]


def test_a_dropped_field_is_kept_if_another_writer_took_it_over():
    manifest = manifests.deployment()
    manifest["spec"]["minReadySeconds"] = 5
    live = changed(written(manifest), "kubectl-edit", {"spec": {"minReadySeconds": 9}})

    after = applied(live, manifests.deployment())

    assert after["spec"]["minReadySeconds"] == 9


def test_a_field_in_the_manifest_overrides_every_writer():
    live = changed(written(manifests.deployment()), "kubectl-edit", {"spec": {"replicas": 9}})

    assert applied(live, manifests.deployment("web", 3))["spec"]["replicas"] == 3


@pytest.mark.parametrize("first", [True, False])
def test_others_containers_keep_their_place_and_a_dropped_own_container_is_removed(first):
    two = manifests.deployment()
    containers(two).append({"name": "second", "image": "r.example/second:1"})
    live = written(two)
    sidecar = {"name": "proxy", "image": "mesh.example/proxy:1"}
    listed = [sidecar, *containers(live)] if first else [*containers(live), sidecar]
    injected = changed(live, "mesh", in_template(spec={"containers": listed}))

    after = applied(injected, two)
    assert containers(after) == listed

    after = applied(injected, manifests.deployment())
    assert [each["name"] for each in containers(after)] == (
        ["proxy", "web"] if first else ["web", "proxy"]
    )


def test_fields_and_variables_of_other_writers_in_an_own_container_are_kept():
    live = written(manifests.deployment())
    variables = [*containers(live)[0]["env"], {"name": "THEIRS", "value": "1"}]
    more = changed(
        live, "kubectl-set", edited(live, env=variables, resources={"limits": {"cpu": "1"}})
    )

    env = [{"name": "FEATURE_X", "value": "off"}, {"name": "NEW", "value": "1"}]
    [container] = containers(applied(more, with_container(env=env)))

    assert {each["name"]: each["value"] for each in container["env"]} == {
        "FEATURE_X": "off",
        "THEIRS": "1",
        "NEW": "1",
    }
    assert container["resources"] == {"limits": {"cpu": "1"}}


def test_a_dropped_own_container_is_removed_even_if_others_changed_it():
    two = manifests.deployment()
    containers(two).append({"name": "second", "image": "r.example/second:1"})
    live = written(two)
    changed_image = changed(live, "kubectl-set", edited(live, 1, image="r.example/second:2"))

    after = applied(changed_image, manifests.deployment())

    assert [each["name"] for each in containers(after)] == ["web"]


def test_a_dropped_probe_is_removed_whole_even_if_others_changed_it():
    live = written(with_container(livenessProbe={"exec": {"command": ["a"]}, "periodSeconds": 5}))
    probe = {"exec": {"command": ["a"]}, "periodSeconds": 9}
    slower = changed(live, "kubectl-edit", edited(live, livenessProbe=probe))

    assert "livenessProbe" not in containers(applied(slower, manifests.deployment()))[0]


def test_a_dropped_hook_is_removed_whole_even_if_others_changed_it():
    hook = {"httpGet": {"path": "/bye", "port": 80}}
    live = written(with_container(lifecycle={"preStop": hook, "postStart": {"exec": {}}}))
    theirs = {"preStop": {"httpGet": {"path": "/later", "port": 80}}}
    longer = changed(live, "kubectl-edit", edited(live, lifecycle=theirs))

    assert "lifecycle" not in containers(applied(longer, manifests.deployment()))[0]


@pytest.mark.parametrize("strategy", ["strategy", "updateStrategy"])
def test_others_part_of_a_strategy_is_kept_if_no_manifest_names_the_strategy(strategy):
    """Its defaults count as own fields: the API server set them when machinist created it."""
    defaults = {"type": "RollingUpdate", "rollingUpdate": {"a": 1, "b": 1}}
    manifest = manifests.deployment()
    live = written(manifest | {"spec": manifest["spec"] | {strategy: defaults}})
    slower = changed(live, "kubectl-patch", {"spec": {strategy: {"rollingUpdate": {"a": 2}}}})

    after = applied(slower, manifest)

    assert after["spec"][strategy]["rollingUpdate"] == {"a": 2}


def test_a_strategy_of_another_type_replaces_the_former_one():
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    manifest = manifests.deployment()
    live = written(manifest | {"spec": manifest["spec"] | {"strategy": rolling}}, by="helm")
    manifest["spec"]["strategy"] = {"type": "Recreate"}

    assert applied(live, manifest)["spec"]["strategy"] == {"type": "Recreate"}


def test_a_probe_of_another_kind_replaces_another_writers_probe():
    http = {"httpGet": {"port": 80}, "periodSeconds": 5}
    live = written(with_container(livenessProbe=http), by="helm")

    [container] = containers(applied(live, with_container(livenessProbe={"exec": {}})))

    assert container["livenessProbe"] == {"exec": {}, "periodSeconds": 5}


def test_a_variable_with_a_source_replaces_a_value_of_any_writer():
    live = written(manifests.deployment(), by="helm")
    source = {"secretKeyRef": {"name": "s", "key": "k"}}
    env = [{"name": "FEATURE_X", "valueFrom": source}]

    assert containers(applied(live, with_container(env=env)))[0]["env"] == env


@pytest.mark.parametrize(
    ("field", "theirs", "ours"),
    [
        ("lifecycle", {"preStop": {"exec": {"command": ["a"]}}}, {"preStop": {"httpGet": {}}}),
        ("lifecycle", {"postStart": {"sleep": {"seconds": 1}}}, {"postStart": {"exec": {}}}),
        (
            "securityContext",
            {"seccompProfile": {"type": "Localhost", "localhostProfile": "a.json"}},
            {"seccompProfile": {"type": "RuntimeDefault"}},
        ),
    ],
)
def test_a_handler_or_profile_of_another_kind_replaces_another_writers(field, theirs, ours):
    live = written(with_container(**{field: theirs}), by="helm")

    assert containers(applied(live, with_container(**{field: ours})))[0][field] == ours


def test_another_writers_hook_is_kept_beside_an_own_hook():
    theirs = {"preStop": {"exec": {"command": ["a"]}}}
    live = written(with_container(lifecycle=theirs), by="helm")
    ours = {"postStart": {"exec": {"command": ["b"]}}}

    after = applied(live, with_container(lifecycle=ours))

    assert containers(after)[0]["lifecycle"] == theirs | ours


def test_a_variable_with_another_source_replaces_another_writers_source():
    def variable(source: str) -> list[Json]:
        return [{"name": "FEATURE_X", "valueFrom": {source: {"name": "s", "key": "k"}}}]

    live = written(with_container(env=variable("configMapKeyRef")), by="helm")

    after = applied(live, with_container(env=variable("secretKeyRef")))

    assert containers(after)[0]["env"] == variable("secretKeyRef")


def test_a_volume_with_another_source_replaces_the_former_source():
    def with_volume(**source: Any) -> Json:
        manifest = manifests.deployment()
        manifest["spec"]["template"]["spec"]["volumes"] = [{"name": "v", **source}]
        return manifest

    live = written(with_volume(configMap={"name": "c", "defaultMode": 420}), by="helm")

    after = applied(live, with_volume(emptyDir={}))

    assert after["spec"]["template"]["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]


def test_an_allocated_node_port_is_kept():
    live = written(manifests.service("web", 80))
    live["spec"]["ports"][0]["nodePort"] = 30_123

    after = applied(live, manifests.service("web", 80))

    assert after["spec"]["ports"][0]["nodePort"] == 30_123


def test_another_writers_port_is_kept_unless_the_manifest_has_its_name():
    theirs = [{"name": "p80", "port": 8080, "protocol": "TCP"}, {"name": "x", "port": 1}]
    manifest = manifests.service("web", 80)
    live = written(manifest | {"spec": manifest["spec"] | {"ports": theirs}}, by="helm")

    after = applied(live, manifest)

    assert [(each["name"], each["port"]) for each in after["spec"]["ports"]] == [
        ("p80", 80),
        ("x", 1),
    ]


@pytest.mark.parametrize("name", [{}, {"name": "metrics"}], ids=["unnamed", "named"])
def test_another_writers_port_in_an_own_container_is_kept(name):
    live = written(manifests.deployment())
    theirs = {"containerPort": 9000, "protocol": "TCP", **name}
    added = changed(live, "mesh", edited(live, ports=[*containers(live)[0]["ports"], theirs]))

    [container] = containers(applied(added, manifests.deployment()))

    assert [each["containerPort"] for each in container["ports"]] == [3042, 9000]


def test_a_container_port_with_the_name_of_an_own_port_is_removed():
    live = written(manifests.deployment())
    theirs = [{"name": "app", "containerPort": 9000, "protocol": "TCP"}]
    renamed = changed(live, "kubectl-edit", edited(live, ports=theirs))

    [container] = containers(applied(renamed, manifests.deployment()))

    assert [each["containerPort"] for each in container["ports"]] == [3042]


def test_a_selector_is_replaced_and_never_merged():
    live = written(manifests.service(), by="helm")
    manifest = manifests.service()
    manifest["spec"]["selector"] = {"other": "1"}

    assert applied(live, manifest)["spec"]["selector"] == {"other": "1"}


def test_a_list_with_a_duplicate_key_is_taken_from_the_manifest():
    twice = [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]

    [container] = containers(applied(written(manifests.deployment()), with_container(env=twice)))

    assert container["env"] == twice


@pytest.mark.parametrize("wrong", [{"a": 1}, ["a"], None, 7])
def test_a_list_with_keys_of_a_wrong_type_is_passed_to_the_api_server(wrong):
    live = written(manifests.deployment())
    manifest = with_container(env=[{"name": wrong, "value": "1"}], ports=[{"name": wrong}])
    _, wanted = read(manifest, "default", *KINDS)

    [container] = containers(change(live, wanted))

    assert {"name": wrong, "value": "1"} in container["env"]


def test_another_writers_finalizer_is_kept_and_an_own_one_is_removed():
    ours = {"name": "web", "finalizers": ["a.example/ours"]}
    both = {"metadata": {"finalizers": ["a.example/ours", "b.example/theirs"]}}
    live = changed(written(manifests.deployment(metadata=ours)), "operator", both)

    after = applied(live, manifests.deployment(metadata={"name": "web"}))

    assert after["metadata"]["finalizers"] == ["b.example/theirs"]


def test_the_rules_of_a_route_are_replaced_whole():
    live = written(manifests.route("web", "v1", "v2"))

    after = applied(live, manifests.route("web", "v2"))

    assert [rule["backendRefs"][0]["name"] for rule in after["spec"]["rules"]] == ["v2"]


def test_a_manifest_without_a_spec_keeps_the_spec():
    live = written(manifests.service())
    labels = {"metadata": {"name": "web", "labels": {"a": "1"}}}

    after = applied(live, {"apiVersion": "v1", "kind": "Service", **labels})

    assert after["spec"] == live["spec"]
    assert after["metadata"]["labels"] == {"a": "1"}


def test_an_object_without_managed_fields_loses_nothing():
    live = written(manifests.deployment())
    live["metadata"] |= {"managedFields": None, "labels": {"old": "1"}}
    live["spec"]["paused"] = True

    after = applied(live, manifests.deployment())

    assert after["metadata"]["labels"].keys() == {"old", "app.kubernetes.io/instance"}
    assert after["spec"]["paused"]


@pytest.mark.parametrize("replicas", [True, 1.0])
def test_a_value_that_is_equal_only_in_python_is_sent(replicas):
    live = written(manifests.deployment("web", 1))
    _, wanted = read(manifests.deployment("web", replicas), "default", *KINDS)

    sent = change(live, wanted)["spec"]["replicas"]

    assert type(sent) is type(replicas)


@pytest.mark.parametrize(
    "manifest", [manifests.deployment(), manifests.service(), manifests.route()]
)
def test_the_same_manifest_again_changes_nothing(manifest):
    live = written(manifest)
    live["metadata"]["namespace"] = "default"
    _, wanted = read(manifest, "default", *KINDS, SERVICES, HTTP_ROUTES)

    assert change(live, wanted) == {"metadata": {}}
