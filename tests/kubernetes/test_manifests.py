"""The merge patch between a live object and a manifest, without a server."""

from typing import Any

import pytest

from deploy.sandbox.kubernetes.patches import merge
from tests.kubernetes import manifests as written
from worker.providers.k8s.kinds import KINDS, SERVICES
from worker.providers.k8s.workloads import manifests

Json = dict[str, Any]


def patched(live: Json, manifest: Json) -> Json:
    """Return the live object after the patch for a manifest."""
    _, wanted = manifests.read(manifest, "default", *KINDS, SERVICES)
    found: Json = merge(live, manifests.change(live, wanted))
    return found


def live(manifest: Json, **spec: Any) -> Json:
    metadata = {"resourceVersion": "7", "annotations": {"theirs": "1"}, "labels": {"old": "1"}}
    return manifest | {
        "metadata": manifest["metadata"] | metadata,
        "spec": manifest["spec"] | spec,
        "status": {"replicas": 3},
    }


@pytest.mark.parametrize(("named", "replicas"), [(None, 7), (0, 0), (3, 3)])
def test_replicas_that_a_manifest_does_not_name_are_kept(named, replicas):
    after = patched(live(written.deployment(), replicas=7), written.deployment("web", named))

    assert after["spec"]["replicas"] == replicas


def test_a_new_strategy_type_removes_all_of_the_former_strategy():
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    wanted = written.deployment()
    wanted["spec"]["strategy"] = {"type": "Recreate"}

    after = patched(live(written.deployment(), strategy=rolling), wanted)

    assert after["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("kept", ["clusterIP", "clusterIPs", "ipFamilies", "loadBalancerClass"])
def test_fields_that_were_allocated_to_a_service_are_kept(kept):
    after = patched(live(written.service(), **{kept: "allotted"}), written.service("web", 80))

    assert after["spec"][kept] == "allotted"
    assert [port["port"] for port in after["spec"]["ports"]] == [80]


def test_a_patch_has_no_version_no_identity_and_no_status():
    before = live(written.deployment())
    before["metadata"] |= {"uid": "u", "generation": 4, "managedFields": []}

    _, wanted = manifests.read(before, "default", *KINDS)
    patch = manifests.change(before, wanted)

    assert patch == {"metadata": {"namespace": "default"}}


def test_a_missing_namespace_and_an_unambiguous_kind_are_filled_in():
    manifest = written.service()
    del manifest["apiVersion"], manifest["kind"]

    resource, wanted = manifests.read(manifest, "shop", SERVICES)

    assert resource is SERVICES
    assert (wanted["apiVersion"], wanted["kind"]) == ("v1", "Service")
    assert wanted["metadata"]["namespace"] == "shop"


def test_a_controller_is_shown_without_the_values_of_its_environment():
    manifest = written.deployment()
    pod = manifest["spec"]["template"]["spec"]
    pod["initContainers"] = [{"name": "i", "env": [{"name": "A", "value": "canary"}]}]
    source = {"secretKeyRef": {"name": "s", "key": "k"}}
    pod["containers"][0]["env"] = [
        {"name": "B", "value": "canary"},
        {"name": "C", "valueFrom": source},
    ]
    manifest["metadata"]["annotations"] = {manifests.LAST_APPLIED: "canary", "other": "1"}

    shown = manifests.shown(manifest)

    assert "canary" not in str(shown)
    assert shown["spec"]["template"]["spec"]["containers"][0]["env"] == [
        {"name": "B"},
        {"name": "C", "valueFrom": source},
    ]
    assert shown["metadata"]["annotations"] == {"other": "1"}
    assert "canary" in str(manifest)


@pytest.mark.parametrize("answer", [{"status": "Success"}, {"kind": "Deployment", "metadata": {}}])
def test_an_object_without_containers_is_shown_unchanged(answer):
    assert manifests.shown(answer) == answer
