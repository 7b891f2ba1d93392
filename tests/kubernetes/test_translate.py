"""The translation of Kubernetes' objects to the contract's resources."""

from typing import Any

import msgspec
import pytest

from tests.kubernetes.objects import pod, workload
from worker.providers.k8s import kinds, translate
from worker.providers.k8s.objects import OwnerReference, Pod, Workload

DEPLOYMENT = kinds.KINDS[0]
TOP = OwnerReference("apps/v1", "Deployment", "web", "uid-of-web")


def read(json: Any, expected: Any = Pod) -> Any:
    return msgspec.json.decode(msgspec.json.encode(json), type=expected)


def shown(json: Any, top: OwnerReference | None = None) -> Any:
    """Return a pod as the JSON of a machine."""
    return msgspec.json.decode(msgspec.json.encode(translate.machine(read(json), top)))


def test_every_field_of_a_machine_comes_from_the_pod():
    assert shown(pod("web-1"), TOP) == {
        "id": "web-1",
        "status": "Running",
        "ready": True,
        "labels": {"app": "web"},
        "startTime": "2026-11-22T17:20:50Z",
        "image": "registry.example/app:1",
        "imageDigest": "registry.example/app@sha256:0123456789abcdef",
        "controller": {"name": "web", "kind": "Deployment", "apiVersion": "apps/v1"},
        "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "500m", "memory": "1Gi"}},
    }


@pytest.mark.parametrize(
    "bare",
    [
        {"metadata": {"name": "p", "uid": "u"}, "spec": {}, "status": {}},
        {"metadata": {"name": "p", "uid": "u"}, "spec": {"containers": None}},
        {
            "metadata": {"name": "p", "uid": "u", "labels": None, "ownerReferences": None},
            "spec": {"containers": []},
            "status": {"conditions": None, "containerStatuses": None, "startTime": None},
        },
    ],
)
def test_unknown_fields_are_left_out_and_nulls_count_as_absent(bare):
    assert shown(bare) == {"id": "p", "status": "Unknown", "ready": False, "labels": {}}


def test_a_pod_that_is_being_deleted_keeps_its_phase_and_is_not_ready():
    deleting = pod()
    deleting["metadata"]["deletionTimestamp"] = "2026-11-22T17:30:00Z"

    assert shown(deleting)["status"] == "Running"
    assert shown(deleting)["ready"] is False


@pytest.mark.parametrize(
    ("conditions", "ready"),
    [
        ([{"type": "Ready", "status": "True"}], True),
        ([{"type": "Initialized", "status": "True"}, {"type": "Ready", "status": "True"}], True),
        ([{"type": "Ready", "status": "False"}], False),
        ([{"type": "Ready", "status": "Unknown"}], False),
        ([{"type": "ContainersReady", "status": "True"}], False),
        ([], False),
    ],
)
def test_readiness_is_the_condition_ready(conditions, ready):
    assert shown(pod(status={"phase": "Running", "conditions": conditions}))["ready"] is ready


SIDECAR = {"name": "proxy", "image": "mesh/proxy:9", "resources": {"limits": {"cpu": "9"}}}
APP = {"name": "app", "image": "example/app:1", "resources": {"limits": {"cpu": "1"}}}
STATUSES = [
    {"name": "proxy", "imageID": "mesh/proxy@sha256:99"},
    {"name": "app", "imageID": "example/app@sha256:11"},
]
MARK = "kubectl.kubernetes.io/default-container"


@pytest.mark.parametrize(
    ("containers", "marked", "image"),
    [
        ([APP, SIDECAR], None, "example/app:1"),
        ([SIDECAR, APP], None, "mesh/proxy:9"),
        ([SIDECAR, APP], "app", "example/app:1"),
        ([SIDECAR, APP], "gone", "mesh/proxy:9"),
    ],
)
def test_the_main_container_is_the_annotated_or_the_first_one(containers, marked, image):
    annotations = {MARK: marked, "other": "x"} if marked else {"other": "x"}
    status = {"phase": "Running", "containerStatuses": STATUSES}
    found = pod(spec={"containers": containers}, status=status)
    found["metadata"]["annotations"] = annotations

    machine = shown(found)

    name = image.rpartition(":")[0]
    assert machine["image"] == image
    assert machine["imageDigest"].startswith(f"{name}@sha256:")
    assert machine["resources"]["limits"]["cpu"] == ("1" if name == "example/app" else "9")


@pytest.mark.parametrize("statuses", [STATUSES, STATUSES[::-1], STATUSES[1:]])
def test_the_digest_is_found_by_the_containers_name_at_any_position(statuses):
    found = pod(spec={"containers": [APP]}, status={"containerStatuses": statuses})

    assert shown(found)["imageDigest"] == "example/app@sha256:11"


@pytest.mark.parametrize(
    ("image_id", "expected"),
    [
        ("docker.io/library/nginx@sha256:ab12", "docker.io/library/nginx@sha256:ab12"),
        ("docker-pullable://nginx@sha256:ab12", "nginx@sha256:ab12"),
        ("docker://sha256:ab12", "sha256:ab12"),
        ("containerd://sha256:ab12", "sha256:ab12"),
        ("sha256:ab12", "sha256:ab12"),
        ("host:5000/a/b@sha512:ab12", "host:5000/a/b@sha512:ab12"),
        ("", msgspec.UNSET),
        ("nginx:latest", msgspec.UNSET),
        ("4f5c8e1d", msgspec.UNSET),
        ("docker://", msgspec.UNSET),
    ],
)
def test_a_digest_has_no_scheme_and_an_invalid_one_is_left_out(image_id, expected):
    assert translate.image_digest(image_id) == expected


@pytest.mark.parametrize(
    ("phase", "finished"),
    [
        ("Pending", False),
        ("Running", False),
        ("Unknown", False),
        (None, False),
        ("Succeeded", True),
        ("Failed", True),
    ],
)
def test_completed_and_evicted_pods_are_finished(phase, finished):
    assert translate.is_finished(read(pod(status={"phase": phase}))) is finished


def test_a_controller_has_the_hint_that_selects_it():
    found = translate.controller(DEPLOYMENT, read(workload("Deployment", "web"), Workload))

    assert msgspec.to_builtins(found) == {
        "name": "web",
        "replicas": 2,
        "labels": {"app": "web"},
        "providerMetadata": {"kind": "Deployment", "apiVersion": "apps/v1"},
    }


@pytest.mark.parametrize(
    ("spec", "status", "wanted", "ready"),
    [
        ({"replicas": 3}, {"replicas": 5, "readyReplicas": 4}, 3, 4),
        ({"replicas": 0}, {}, 0, 0),
        ({}, {"readyReplicas": 1}, 1, 1),
        ({"replicas": None}, {"readyReplicas": None}, 1, 0),
    ],
)
def test_replicas_are_the_desired_count_and_one_by_default(spec, status, wanted, ready):
    found = read(workload("Deployment", "web", spec=spec, status=status), Workload)

    assert (translate.wanted(found), translate.ready(found)) == (wanted, ready)


def test_the_response_to_a_deletion_names_the_finalizers():
    status = {"kind": "Status", "status": "Success", "metadata": {}}
    metadata = {"name": "web", "deletionTimestamp": "now", "finalizers": ["a.example/b", "c"]}
    held = {"kind": "Service", "metadata": metadata}
    going = {"kind": "Service", "metadata": {"name": "web", "deletionTimestamp": "now"}}

    assert translate.deletion("web", status) == {"name": "web", "deleted": True}
    assert translate.deletion("web", going) == {"name": "web", "deleted": True}
    assert translate.deletion("web", held) == {
        "name": "web",
        "deleted": True,
        "left": ['the Service "web", until its finalizers have run: a.example/b, c'],
    }
