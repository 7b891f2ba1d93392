"""The platform-neutral workload: checks, labels and defaults."""

from typing import Any

import pytest

from contracts.faults import Code, Fault
from contracts.neutral import workload

CANARY = "canary-4711"


def specification(**more: Any) -> dict[str, Any]:
    return {"name": "web-v2", "image": "registry.example/web:2"} | more


def test_an_unused_member_is_accepted_and_null_counts_as_absent():
    least = workload.read(specification())

    assert workload.read(specification(deploymentVersion="v2", minReplicas=None)) == least
    assert (least.ports.app, least.ports.metrics) == (3042, 9090)


@pytest.mark.parametrize(
    ("more", "application"),
    [
        ({}, "web-v2"),
        ({"labels": {"app.kubernetes.io/name": "web"}}, "web"),
        ({"appName": "shop", "labels": {"app.kubernetes.io/name": "web"}}, "shop"),
        ({"appName": ""}, "web-v2"),
    ],
)
def test_the_application_of_a_workload_is_its_app_name_its_label_or_its_own_name(more, application):
    assert workload.application(workload.read(specification(**more))) == application


def test_labels_from_the_caller_take_precedence_over_derived_labels():
    read = workload.read(
        specification(
            appName="shop",
            version="v2",
            hostname="shop.example",
            maxReplicas=6,
            labels={"plt.dev/version": "two"},
        )
    )

    assert workload.labels(read) == {
        "app.kubernetes.io/name": "shop",
        "app.kubernetes.io/instance": "web-v2",
        "plt.dev/version": "two",
    }
    assert workload.machine_labels(read) == workload.controller_labels(read) | {
        "platformatic.dev/monitor": "prometheus",
        "plt.dev/hostname": "shop.example",
    }
    assert workload.controller_labels(read)["icc.platformatic.dev/scaler-max"] == "6"


@pytest.mark.parametrize(("minimum", "size"), [(None, 1), (0, 0), (3, 3)])
def test_a_new_workload_starts_with_min_replicas_or_one_machine(minimum, size):
    assert workload.first_size(workload.read(specification(minReplicas=minimum))) == size


WRONG = [
    ({"image": None}, "workload: Object missing required field `image`"),
    ({"ports": {"app": 9090}}, "workload.ports: expected two different ports"),
    ({"env": [{"name": "A=B", "value": ""}]}, "workload.env[0].name: expected the name of a var"),
    ({"env": [{"name": "", "value": ""}]}, "workload.env[0].name: "),
    ({"env": [{"name": "A", "value": f"{CANARY}\0"}]}, "workload.env[0].value: expected a text"),
    ({"pullSecret": {"registry": "r", "username": "u", "password": [CANARY]}}, "password: "),
]


@pytest.mark.parametrize(("wrong", "expected"), WRONG, ids=range(len(WRONG)))
def test_an_invalid_workload_is_refused_without_quoting_secret_values(wrong, expected):
    with pytest.raises(Fault) as raised:
        workload.read(specification(**wrong))

    assert raised.value.code is Code.INVALID
    assert expected in raised.value.message
    assert CANARY not in raised.value.message


@pytest.mark.parametrize(
    ("more", "absent"),
    [
        ({"hostname": f"{'feature-' * 8}.example"}, "plt.dev/hostname"),
        ({"hostname": "*.apps.example"}, "plt.dev/hostname"),
        ({"hostname": "b\u00fccher.example"}, "plt.dev/hostname"),
        ({"version": "1 2"}, "plt.dev/version"),
        ({"version": "v" * 64}, "plt.dev/version"),
        ({"appName": "\u5e97"}, "app.kubernetes.io/name"),
        ({"appName": "shop/web"}, "app.kubernetes.io/name"),
        ({"name": "w" * 64, "appName": "web"}, "app.kubernetes.io/instance"),
    ],
)
def test_a_derived_label_without_a_valid_label_value_is_left_out(more, absent):
    usual = {"name": "web", "image": "i", "hostname": "web.example", "version": "v1"}
    whole = workload.machine_labels(workload.read(usual))

    assert workload.machine_labels(workload.read(usual | more)).keys() == whole.keys() - {absent}


def test_a_label_from_the_caller_is_left_for_the_provider_to_check():
    read = workload.read({"name": "web", "image": "i", "labels": {"plt.dev/hostname": "*.example"}})

    assert workload.labels(read)["plt.dev/hostname"] == "*.example"
