"""The kinds that hints and owner references select."""

import pytest

from contracts.faults import Code, Fault
from worker.providers.k8s import kinds
from worker.providers.k8s.objects import OwnerReference

ALL = ["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"]


@pytest.mark.parametrize(
    ("kind", "api_version", "expected"),
    [
        (None, None, ALL),
        (None, "apps/v1", ["Deployment", "StatefulSet", "ReplicaSet"]),
        (None, "v1", ["ReplicationController"]),
        *((kind, None, [kind]) for kind in ALL),
        ("Deployment", "apps/v1", ["Deployment"]),
        ("ReplicationController", "v1", ["ReplicationController"]),
    ],
)
def test_hints_narrow_the_kinds_and_keep_their_order(kind, api_version, expected):
    assert [each.name for each in kinds.hinted(kind, api_version)] == expected


@pytest.mark.parametrize(
    ("kind", "api_version", "expected"),
    [
        ("Rollout", None, "kind: expected Deployment, StatefulSet, ReplicaSet or Replication"),
        ("deployment", None, "kind: expected Deployment"),
        ("Deployment", "v1", "apiVersion: expected apps/v1 for kind Deployment, got 'v1'"),
        ("ReplicationController", "apps/v1", "apiVersion: expected v1 for kind Replication"),
        (None, "batch/v1", "apiVersion: expected apps/v1 or v1, got 'batch/v1'"),
    ],
)
def test_hints_that_match_no_kind_are_invalid_and_state_the_expectation(
    kind, api_version, expected
):
    with pytest.raises(Fault) as raised:
        kinds.hinted(kind, api_version)

    assert raised.value.code is Code.INVALID
    assert expected in raised.value.message


@pytest.mark.parametrize(
    ("api_version", "kind", "expected"),
    [
        ("apps/v1", "ReplicaSet", "ReplicaSet"),
        ("v1", "ReplicationController", "ReplicationController"),
        ("apps/v1", "DaemonSet", None),
        ("batch/v1", "Job", None),
        ("v1", "Node", None),
        ("argoproj.io/v1alpha1", "Rollout", None),
        ("example.com/v1", "Deployment", None),
    ],
)
def test_only_owners_of_the_four_kinds_in_their_api_group_are_followed(api_version, kind, expected):
    found = kinds.of_owner(OwnerReference(api_version, kind, "x", "uid"))

    assert (found and found.name) == expected


def test_the_metadata_of_a_kind_selects_it_as_a_hint():
    for kind in kinds.KINDS:
        hint = kind.metadata
        assert kinds.hinted(hint["kind"], hint["apiVersion"]) == (kind,)
