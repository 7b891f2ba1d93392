"""Manifests against what is there: the patch between them, with nothing asked of a server."""

from typing import Any

import pytest

from deploy.sandbox.kubernetes.patches import merge
from tests.kubernetes import manifests as written
from worker.providers.k8s.kinds import KINDS, SERVICES
from worker.providers.k8s.workloads import manifests

Json = dict[str, Any]


def patched(live: Json, manifest: Json) -> Json:
    """The object after the patch that makes it the manifest's."""
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
def test_replicas_that_are_not_named_stay(named, replicas):
    after = patched(live(written.deployment(), replicas=7), written.deployment("web", named))

    assert after["spec"]["replicas"] == replicas


def test_a_strategy_leaves_nothing_of_the_former():
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}
    wanted = written.deployment()
    wanted["spec"]["strategy"] = {"type": "Recreate"}

    after = patched(live(written.deployment(), strategy=rolling), wanted)

    assert after["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize("kept", ["clusterIP", "clusterIPs", "ipFamilies", "loadBalancerClass"])
def test_what_was_allotted_to_a_service_stays(kept):
    after = patched(live(written.service(), **{kept: "allotted"}), written.service("web", 80))

    assert after["spec"][kept] == "allotted"
    assert [port["port"] for port in after["spec"]["ports"]] == [80]


def test_the_patch_names_no_version_no_identity_and_no_status():
    before = live(written.deployment())
    before["metadata"] |= {"uid": "u", "generation": 4, "managedFields": []}

    _, wanted = manifests.read(before, "default", *KINDS)
    patch = manifests.change(before, wanted)

    assert patch == {"metadata": {"namespace": "default"}}


def test_a_namespace_is_filled_in_and_so_is_what_only_one_kind_can_mean():
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
def test_an_answer_without_containers_is_shown_as_it_is(answer):
    assert manifests.shown(answer) == answer
