"""Objects of Kubernetes as a command notes them, also where an answer has another shape."""

from typing import Any

import pytest

from worker.providers.k8s import observed
from worker.providers.k8s.kinds import DEPLOYMENTS, HTTP_ROUTES, SERVICES

CANARY = "canary-4711"


def test_the_matches_of_a_rule_are_written_in_words():
    cookie = r"(.*;\s*)?__plt_dpl=v1\.2(\s*;.*)?"
    matches = [
        {"path": {"value": "/"}, "headers": [{"name": "Cookie", "value": cookie}]},
        {"path": {"value": "/api"}, "method": "GET", "queryParams": [{"name": "a", "value": "b"}]},
        {"headers": [{"name": "Authorization", "value": CANARY}]},
    ]
    rules = [{"matches": [each], "backendRefs": [{"name": "web"}]} for each in matches]

    assert observed.of(HTTP_ROUTES, {"spec": {"rules": rules}})["rules"] == [
        "cookie __plt_dpl=v1.2: web",
        "method GET and path /api and queryParam a=b: web",
        "header Authorization: web",
    ]


@pytest.mark.parametrize("wrong", [None, 7, "x", [], [7], {}, {"a": 7}])
def test_an_answer_of_another_shape_is_noted_in_part_and_fails_nothing(wrong: Any) -> None:
    for resource in (DEPLOYMENTS, SERVICES, HTTP_ROUTES):
        for member in ("metadata", "spec", "status"):
            observed.of(resource, {member: wrong})
        for member in ("replicas", "template", "ports", "rules", "hostnames"):
            observed.of(resource, {"spec": {member: wrong}})
        observed.of(resource, {"spec": {"rules": [{"matches": wrong, "backendRefs": wrong}]}})
    observed.of(DEPLOYMENTS, {"status": {"readyReplicas": wrong}, "metadata": {"labels": wrong}})


def test_labels_and_images_that_break_the_rules_of_kubernetes_are_left_out():
    pod = {"containers": [{"image": "ci:pass@r.example/web"}, {"image": "web:1"}]}
    labels = {"good": "1", "bad key": "1", "bad": "\x1b[31m", "number": 7}

    noted = observed.of(
        DEPLOYMENTS, {"metadata": {"labels": labels}, "spec": {"template": {"spec": pod}}}
    )

    assert noted == {"images": ["web:1"], "labels": {"good": "1"}}
