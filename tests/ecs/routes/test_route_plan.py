"""The validation of route plans for a listener."""

from typing import Any

import pytest

from contracts.faults import Code, Fault
from tests.ecs.routes import plans
from tests.ecs.routes.plans import CLUSTER, HOSTNAME, default, header, query
from worker.providers.ecs.elb.rules import Condition
from worker.providers.ecs.routes import route_plan


def matching(kind: str, name: Any = "x", value: Any = "v6") -> dict[str, Any]:
    match = {"kind": kind, "name": name, "value": value}
    return default("v6", match={key: part for key, part in match.items() if part is not None})


WRONG = [
    ({"hostname": None}, "plan.hostname: expected the host whose requests are routed, got None"),
    ({"hostname": "localhost"}, "plan.hostname: expected a host name such as orders.example.org"),
    ({"hostname": "orders.example.4"}, "plan.hostname: expected a host name"),
    ({"hostname": "a.*.example.org"}, "plan.hostname: expected a host name"),
    ({"hostname": "ord?rs.example.org"}, "plan.hostname: expected a host name"),
    ({"hostname": f"{'a' * 125}.org"}, "plan.hostname: expected a host name"),
    ({"appName": "a/b"}, "plan.appName: expected the name of an application"),
    ({"appName": "a b"}, "plan.appName: expected a name of at most"),
    ({"appName": ""}, "plan.appName: expected a name of at most"),
    ({"appName": None}, "plan.appName: "),
    ({"rules": []}, "plan.rules: "),
    ({"generation": "12"}, "plan.generation: "),
    ({"emittedAt": True}, "plan.emittedAt: "),
]
WRONG_RULES = [
    (matching("cookie"), "rules[0].match.kind: expected queryParam, header or default: a listener"),
    (matching("path"), "rules[0].match.kind: "),
    (matching("header", name=None), "rules[0].match: expected a name and a value"),
    (matching("queryParam", value=None), "rules[0].match: expected a name and a value"),
    (matching("queryParam", value=""), "rules[0].match.value: "),
    (matching("header", name="x y"), "rules[0].match.name: "),
    (matching("header", name="Host"), "rules[0].match.name: expected the name of a header"),
    (matching("header", name="x-*"), "rules[0].match.name: expected the name of a header"),
    (matching("header", name="x" * 41), "rules[0].match.name: expected the name of a header"),
    (matching("header", value="v" * 129), "rules[0].match.value: expected a value a listener"),
    (matching("header", value="v*"), "rules[0].match.value: expected a value a listener can"),
    (matching("header", value="v?"), "rules[0].match.value: expected a value a listener can"),
    (matching("header", value="v\\6"), "rules[0].match.value: expected a value a listener can"),
    (matching("header", value="v\n6"), "rules[0].match.value: expected a text without control"),
    (matching("header", value="ü"), "rules[0].match.value: expected a value a listener can"),
    (matching("queryParam", name="a*"), "rules[0].match.name: expected the name of a query"),
    (matching("queryParam", name="a" * 129), "rules[0].match.name: expected the name of a query"),
    (matching("queryParam", value="\\"), "rules[0].match.value: expected a value a listener can"),
    (matching("queryParam", value="v" * 129), "rules[0].match.value: expected at most 128"),
    (matching("queryParam", value="*" * 65), "rules[0].match.value: expected at most 128 char"),
    (default("v6", versionId="v; x"), "rules[0].versionId: "),
    (default("v6", backend={}), "rules[0].backend: Object missing required field `serviceName`"),
    (
        default("v6", backend={"serviceName": "a/b"}),
        "rules[0].backend.serviceName: expected the name of a service, without '/'",
    ),
    (
        default("v6", backend={"serviceName": "x" * 257}),
        "rules[0].backend.serviceName: expected a tag value",
    ),
    (
        default("v6", backend={"serviceName": "arn:aws:ecs:eu-central-1:1:service/other/web"}),
        "rules[0].backend.serviceName: expected the name of a service or its ARN",
    ),
    (
        default(
            "v6",
            backend={"serviceName": "arn:aws:ecs:eu-central-1:123456789012:service/other/web"},
        ),
        'rules[0].backend.serviceName: expected a resource of the cluster "shop"',
    ),
]


@pytest.mark.parametrize(("wrong", "expected"), WRONG, ids=range(len(WRONG)))
def test_an_impossible_plan_is_invalid(wrong, expected):
    with pytest.raises(Fault) as raised:
        route_plan.read(plans.plan(**wrong), CLUSTER)

    assert raised.value.code is Code.INVALID
    assert raised.value.message.startswith(expected)


@pytest.mark.parametrize(("wrong", "expected"), WRONG_RULES, ids=range(len(WRONG_RULES)))
def test_an_impossible_rule_is_invalid(wrong, expected):
    with pytest.raises(Fault) as raised:
        plans.read(wrong)

    assert raised.value.code is Code.INVALID
    assert raised.value.message.startswith(f"plan.{expected}")


TWINS = [
    ([query("v6"), header("v6"), query("V6")], "plan.rules[2].match: expected other requests"),
    ([header("v6"), header("v6", backend={"serviceName": "b"})], "plan.rules[1].match: "),
    ([matching("header", "X-A"), matching("header", "x-a")], "plan.rules[1].match: "),
    ([default("v6"), default("v7")], "plan.rules[1].match: expected other requests than those of"),
]


@pytest.mark.parametrize(("rules", "expected"), TWINS, ids=range(len(TWINS)))
def test_two_rules_with_equal_conditions_are_invalid(rules, expected):
    with pytest.raises(Fault) as raised:
        plans.read(*rules)

    assert raised.value.code is Code.INVALID
    assert raised.value.message.startswith(expected)


def test_wildcards_in_a_query_parameter_are_escaped():
    [pin] = plans.read(matching("queryParam", "dpl", "*" * 32 + "?" * 32)).pins

    assert pin.conditions[1] == Condition("query-string", "\\*" * 32 + "\\?" * 32, "dpl")
    assert route_plan.unescaped(pin.conditions[1].value) == "*" * 32 + "?" * 32


def test_hosts_and_header_names_are_lower_cased():
    plan = plans.read(matching("header", "X-Version"), hostname="Orders.Example.ORG")

    assert plan.hostname == HOSTNAME
    assert plan.pins[0].conditions == (
        Condition("host-header", HOSTNAME),
        Condition("http-header", "v6", "x-version"),
    )


@pytest.mark.parametrize("hostname", ["*.example.org", "my_app.example.org", "a-1.b.co"])
def test_a_valid_host_name_is_accepted(hostname):
    assert plans.read(hostname=hostname).hostname == hostname


def test_the_default_rule_is_sorted_last():
    plan = plans.read(default("v7"), header("v6"), query("v6"))

    assert [pin.where for pin in plan.pins] == ["plan.rules[1]", "plan.rules[2]", "plan.rules[0]"]
