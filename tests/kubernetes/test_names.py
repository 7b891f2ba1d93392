"""Kubernetes' rules for names and labels."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.faults import Code, Fault
from worker.providers.k8s import names

HOSTILE = [
    "",
    "a/b",
    "..",
    "../secrets",
    "a..b",
    "%2F",
    "a%2Fscale",
    "a?x=1",
    "a#b",
    "a b",
    " a",
    "Upper",
    "under_score",
    "-a",
    "a-",
    ".a",
    "a.",
    "a" * 300,
    "a\x00",
    "a\n",
    "ünicode",
    "пod",
    "\N{ARABIC-INDIC DIGIT ONE}",
    "arn:aws:ecs:eu-west-1:1:task/x",
]


@pytest.mark.parametrize("name", ["a", "0", "default", "a-b", "team-1", "x" * 63])
def test_a_namespace_is_a_dns_label(name):
    assert names.namespace(name) == name


@pytest.mark.parametrize("name", [*HOSTILE, "a.b", "x" * 64])
def test_a_name_that_is_not_a_dns_label_is_not_a_namespace(name):
    with pytest.raises(Fault) as raised:
        names.namespace(name)

    assert raised.value.code is Code.INVALID
    assert "scope: expected a namespace: at most 63 lower-case" in raised.value.message


@pytest.mark.parametrize("name", ["a", "web-6b7f9-x2k4t", "a.b-c.d", "1.2", "x" * 253])
def test_an_object_name_is_a_dns_subdomain(name):
    assert names.object_name(name, "id") == name


@pytest.mark.parametrize("name", [*HOSTILE, "x" * 254, "a.-b"])
def test_a_name_that_is_not_a_dns_subdomain_is_invalid(name):
    with pytest.raises(Fault) as raised:
        names.object_name(name, "id")

    assert raised.value.code is Code.INVALID
    assert "id: expected a Kubernetes name" in raised.value.message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("app", "web"),
        ("app.kubernetes.io/name", "web"),
        ("plt.dev/version", "1.2.4"),
        ("A_b.c-D", ""),
        ("k" * 63, "v" * 63),
        (f"{'p' * 253}/{'k' * 63}", "v"),
    ],
)
def test_labels_that_kubernetes_allows_are_accepted(key, value):
    assert names.labels({key: value}) == {key: value}


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/name",
        "prefix/",
        "a/b/c",
        "Upper.case/name",
        "under_score/name",
        "-a",
        "a-",
        "k" * 64,
        f"{'p' * 254}/name",
        "a b",
        "a,b",
        "a=b",
        "!a",
        "a in (b)",
        "a\n",
        "ä",
    ],
)
def test_label_keys_that_kubernetes_refuses_are_invalid(key):
    with pytest.raises(Fault, match="labels: expected a Kubernetes label key"):
        names.labels({key: "v"})


@pytest.mark.parametrize(
    "value", ["-a", "a-", "v" * 64, "a b", "a,b=c", "a&limit=1", "a/b", "a\n", "ä"]
)
def test_label_values_that_kubernetes_refuses_are_invalid(value):
    with pytest.raises(Fault, match=r"labels\.app: expected a Kubernetes label value"):
        names.labels({"app": value})


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("v1", "default", "pods"), "/api/v1/namespaces/default/pods"),
        (("v1", "default", "pods", "a"), "/api/v1/namespaces/default/pods/a"),
        (("apps/v1", "d", "deployments", "a"), "/apis/apps/v1/namespaces/d/deployments/a"),
        (("v1", "a/b", "pods", "c/../d?e#f"), "/api/v1/namespaces/a%2Fb/pods/c%2F..%2Fd%3Fe%23f"),
    ],
)
def test_paths_are_built_from_escaped_segments(arguments, expected):
    assert names.path(*arguments) == expected


@given(st.text())
def test_a_valid_name_never_changes_the_structure_of_a_path(name):
    try:
        names.object_name(name, "id")
    except Fault:
        return

    assert names.path("v1", "default", "pods", name) == f"/api/v1/namespaces/default/pods/{name}"
    assert not {"/", "%", "?", "#", "\\"} & set(name)
    assert ".." not in name
