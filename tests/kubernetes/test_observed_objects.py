"""Observations of objects, also from responses of an unexpected shape."""

from typing import Any

import pytest

from worker.providers.k8s import observed
from worker.providers.k8s.kinds import DEPLOYMENTS, HTTP_ROUTES, SERVICES

CANARY = "canary-4711"


def test_the_matches_of_a_rule_are_recorded_as_text():
    cookie = r"(.*;\s*)?__plt_dpl=v1\.2(\s*;.*)?"
    matches = [
        {"path": {"value": "/"}, "headers": [{"name": "Cookie", "value": cookie}]},
        {"path": {"value": "/api"}, "method": "GET", "queryParams": [{"name": "a", "value": "b"}]},
        {"headers": [{"name": "Authorization", "value": CANARY}]},
    ]
    rules = [{"matches": [each], "backendRefs": [{"name": "web"}]} for each in matches]

    assert observed.state(HTTP_ROUTES, {"spec": {"rules": rules}})["rules"] == [
        "cookie __plt_dpl=v1.2: web",
        "method GET and path /api and queryParam a=b: web",
        "header Authorization: web",
    ]


@pytest.mark.parametrize("wrong", [None, 7, "x", [], [7], {}, {"a": 7}])
def test_a_response_of_an_unexpected_shape_is_recorded_in_part(wrong: Any) -> None:
    for resource in (DEPLOYMENTS, SERVICES, HTTP_ROUTES):
        for member in ("metadata", "spec", "status"):
            observed.state(resource, {member: wrong})
        for member in ("replicas", "template", "ports", "rules", "hostnames"):
            observed.state(resource, {"spec": {member: wrong}})
        observed.state(resource, {"spec": {"rules": [{"matches": wrong, "backendRefs": wrong}]}})
    observed.state(DEPLOYMENTS, {"status": {"readyReplicas": wrong}, "metadata": {"labels": wrong}})


def test_invalid_labels_and_images_are_left_out():
    pod = {"containers": [{"image": "ci:pass@r.example/web"}, {"image": "web:1"}]}
    labels = {"good": "1", "bad key": "1", "bad": "\x1b[31m", "number": 7}

    recorded = observed.state(
        DEPLOYMENTS, {"metadata": {"labels": labels}, "spec": {"template": {"spec": pod}}}
    )

    assert recorded == {"images": ["web:1"], "labels": {"good": "1"}}
