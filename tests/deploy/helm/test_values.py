"""Mistakes in values are rejected with a message that names the value and what is expected."""

import re
from typing import Any

import pytest
from helm_python import HelmError, lint

from deploy.helm.files import CHART
from tests.deploy.helm.rendering import Object, Renderer

K8S = {"name": "a", "platform": "k8s", "scopes": ["default"]}
EXTERNAL = {"broker": {"kind": "external", "existingSecret": "broker"}}

SCHEMA: dict[str, tuple[Object, str]] = {
    "a misspelt value": (
        {"gateway": {"replica": 3}},
        "'/gateway': additional properties 'replica' not allowed",
    ),
    "a misspelt field of a worker set": (
        {"workers": [K8S | {"scope": ["shop"]}]},
        "'/workers/0': additional properties 'scope' not allowed",
    ),
    "a text for a number": (
        {"gateway": {"replicas": "three"}},
        "'/gateway/replicas': got string, want integer",
    ),
    "an unknown platform": (
        {"workers": [{"name": "a", "platform": "gke"}]},
        "'/workers/0/platform': value must be one of 'k8s', 'ecs'",
    ),
    "a worker set without a name": (
        {"workers": [{"platform": "k8s", "scopes": ["shop"]}]},
        "'/workers/0': missing property 'name'",
    ),
    "a port that does not exist": (
        {"gateway": {"service": {"port": 99999}}},
        "'/gateway/service/port': maximum: got 99,999, want 65,535",
    ),
    "a deadline in seconds": (
        {"gateway": {"deadlinesMs": {"queries": 10, "commands": 30000}}},
        "'/gateway/deadlinesMs/queries': minimum: got 10, want 500",
    ),
    "an unknown kind of broker": (
        {"broker": {"kind": "rabbitmq"}},
        "'/broker/kind': value must be one of 'trial', 'cluster', 'external'",
    ),
    "an even number of nodes": (
        {"broker": {"kind": "cluster", "cluster": {"replicas": 2}}},
        "'/broker/cluster/replicas': value must be one of 1, 3, 5",
    ),
    "an unknown class of rights": (
        {"auth": {"rights": {"rules": [rule := {"classes": ["write"]}]}}},
        "'/auth/rights/rules/0/classes/0': value must be one of 'read', 'scale', 'change'",
    ),
    "a rule for nobody": (
        {"auth": {"rights": {"rules": [rule]}}},
        "'/auth/rights/rules/0': missing property 'subjects'",
    ),
    "a namespace in capitals": (
        {"workers": [K8S | {"scopes": ["Shop"]}]},
        "'/workers/0/scopes/0': 'Shop' does not match pattern",
    ),
    "an ingress without a host": (
        {"gateway": {"ingress": {"enabled": True}}},
        "'/gateway/ingress/hosts': minItems: got 0, want 1",
    ),
    "keys over http": (
        {"auth": {"jwt": {"jwks": "http://issuer/keys"}}},
        "'/auth/jwt/jwks': 'http://issuer/keys' does not match pattern",
    ),
}
"""Mistakes that values.schema.json rejects."""

RULES: dict[str, tuple[Object, str]] = {
    "an external broker without a Secret": (
        {"broker": {"kind": "external"}},
        "gateway.broker.existingSecret, broker.existingSecret: expected the name of a Secret",
    ),
    "users of least privilege without their URLs": (
        {"broker": {"kind": "cluster", "cluster": {"definitionsSecret": "definitions"}}},
        "broker.cluster.definitionsSecret is set, so the operator's default user does not exist",
    ),
    "no authentication": (
        {"auth": {"mode": "none"}},
        "auth.mode=none: expected token or jwt, or tls.clientCA.existingSecret, or auth.allow",
    ),
    "JSON Web Tokens without keys": (
        {"auth": {"mode": "jwt", "jwt": {"issuer": "i", "audience": "a"}}},
        "auth.jwt.jwks: expected a URL or a mounted file, or auth.jwt.fromCluster=true",
    ),
    "JSON Web Tokens without rights": (
        {"auth": {"mode": "jwt", "jwt": {"issuer": "i", "audience": "a", "fromCluster": True}}},
        "auth.rights.rules, auth.rights.existingConfigMap: expected the rights of callers",
    ),
    "client certificates without TLS": (
        {"tls": {"clientCA": {"existingSecret": "ca"}}},
        "tls.clientCA.existingSecret: expected tls.existingSecret too",
    ),
    "remote workers with a broker of their own": (
        {"gateway": {"enabled": False}},
        "broker.kind=trial: expected external, because the gateway is in another release",
    ),
    "remote workers with a seal key of their own": (
        {"gateway": {"enabled": False}} | EXTERNAL,
        "seal.existingSecret: expected the Secret with the seal key of the gateway",
    ),
    "nothing at all": (
        {"gateway": {"enabled": False}, "workers": []} | EXTERNAL,
        "gateway.enabled, workers: expected a gateway or a worker set, got neither",
    ),
    "a worker set that may do nothing": (
        {"workers": [{"name": "a", "platform": "k8s"}]},
        "workers[a].scopes: expected namespaces that the workers manage",
    ),
    "namespaces of an ECS worker": (
        {"workers": [K8S | {"platform": "ecs", "env": {"PLT_ECS_REGION": "eu-central-1"}}]},
        "workers[a].scopes, .gateways: expected none, because the IAM role of ECS workers",
    ),
    "an ECS worker without a region": (
        {"workers": [{"name": "a", "platform": "ecs"}]},
        "workers[a].env.PLT_ECS_REGION: expected the region",
    ),
    "two worker sets of one name": (
        {"workers": [K8S, K8S]},
        "workers[a].name: expected a name that no other worker set has",
    ),
    "one provider on two platforms": (
        {"workers": [K8S, {"name": "b", "platform": "ecs", "providerName": "k8s"}]},
        "workers[b].providerName=k8s: expected one platform per provider",
    ),
    "one provider for different namespaces": (
        {"workers": [K8S, K8S | {"name": "b", "scopes": ["shop"]}]},
        "workers[b].providerName=k8s: expected a provider of its own, or the scopes of the other",
    ),
    "a variable of the chart": (
        {"gateway": {"env": {"PLT_PORT": 80}}},
        "gateway.env.PLT_PORT: the chart sets this variable itself",
    ),
    "more replicas than allowed": (
        {"workers": [K8S | {"autoscaling": {"kind": "hpa", "minReplicas": 9}}]},
        "workers[a].autoscaling: expected maxReplicas of at least minReplicas",
    ),
}
"""Mistakes between values, which templates reject."""


@pytest.mark.parametrize("mistake", SCHEMA | RULES)
def test_a_mistake_is_rejected_with_its_reason(render: Renderer, mistake: str) -> None:
    given, message = (SCHEMA | RULES)[mistake]

    with pytest.raises(HelmError, match=re.escape(message)):
        render(given)


def test_all_mistakes_are_in_one_message(render: Renderer) -> None:
    given: dict[str, Any] = {"auth": {"mode": "none"}, "broker": {"kind": "external"}}

    with pytest.raises(HelmError) as raised:
        render(given)

    assert str(raised.value).count("expected") == 3


def test_helm_finds_nothing_to_complain_of() -> None:
    report = lint(CHART, strict=True)

    complaints = [each for each in report["messages"] if each["severity"] > 1]
    assert (complaints, report["errors"]) == ([], [])


def test_anonymous_callers_and_wide_rights_are_pointed_out(render: Renderer) -> None:
    open_to_all = render({"auth": {"mode": "none", "allowAnonymous": True}})
    own_namespace = render({"workers": [K8S | {"scopes": ["*"]}]})

    assert "everyone who reaches the gateway may send every command" in open_to_all.notes
    assert open_to_all.pod("gateway").variables["PLT_ALLOW_ANONYMOUS"]["value"] == "true"
    assert "the workers a manage the namespace of machinist itself" in own_namespace.notes
