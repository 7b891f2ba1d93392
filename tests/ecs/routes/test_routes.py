"""Routes on a load balancer's listener: applied, read and deleted."""

import pytest

from contracts import api
from contracts.faults import Code, Fault
from deploy.sandbox.aws.server import AwsSandbox
from tests.calls import ample
from tests.ecs.routes import plans
from tests.ecs.routes.listeners import add_version, apply, delete, present, read, routes, worker
from tests.ecs.routes.plans import APPLICATION, CLUSTER, HOSTNAME, default, header, query
from worker.providers.ecs.elb import rules

PLANNED = ["dpl=v6 → orders-v6", "x-deployment-id=v6 → orders-v6", "* → orders-v7"]


def actions(aws: AwsSandbox) -> list[str]:
    return [call.action.partition(":")[2] for call in aws.calls]


async def test_a_listener_is_the_gateway(provider, aws):
    [found] = await provider.list_gateways(api.ListGateways(CLUSTER), ample())

    balancer = aws.listener_arn.replace(":listener/", ":loadbalancer/")
    assert found == {
        "metadata": {"name": "sandbox", "namespace": CLUSTER},
        "providerMetadata": {
            "listenerArn": aws.listener_arn,
            "loadBalancerArn": balancer.rpartition("/")[0],
            "port": 80,
            "protocol": "HTTP",
        },
    }
    assert actions(aws) == ["DescribeListeners"]


async def test_a_worker_without_a_listener_has_no_gateways_and_no_routes(aws, caplog):
    async with worker(aws) as provider:
        assert await provider.list_gateways(api.ListGateways(CLUSTER), ample()) == []
        for attempt in (read, delete):
            with pytest.raises(Fault, match="has no PLT_ECS_LISTENER_ARN") as raised:
                await attempt(provider)
            assert raised.value.code is Code.NOT_FOUND
        with pytest.raises(Fault, match="PLT_ECS_LISTENER_ARN") as raised:
            await apply(provider)
        assert raised.value.code is Code.INVALID

    assert len(aws.calls) == 0


async def test_a_deleted_listener_is_no_gateway_and_is_logged(aws, caplog):
    deleted = aws.add_listener() + "0"
    async with worker(aws, PLT_ECS_LISTENER_ARN=deleted) as provider:
        assert await provider.list_gateways(api.ListGateways(CLUSTER), ample()) == []

    assert "PLT_ECS_LISTENER_ARN names a listener that does not exist" in caplog.text


async def test_a_plan_takes_the_lowest_free_row_of_priorities(provider, aws, groups):
    aws.add_rule(groups["v8"], host="other.example.org", priority=5)

    answer = await apply(provider)

    assert answer == {"appName": APPLICATION, "created": 3, "deleted": 0}
    assert routes(aws) == dict(enumerate(PLANNED, 6))
    pin = present(aws)[6]
    assert pin.conditions == (
        rules.Condition("host-header", HOSTNAME),
        rules.Condition("query-string", "v6", "dpl"),
    )
    assert pin.target == groups["v6"]
    assert pin.tags["plt.dev/managed-by"] == "icc"
    assert pin.tags["plt.dev/application"] == APPLICATION
    assert pin.tags["plt.dev/cluster"] == CLUSTER
    assert pin.tags["plt.dev/version"] == "v6"
    assert pin.tags["plt.dev/plan-generation"] == "12"


async def test_a_plan_costs_one_request_per_changed_rule_and_a_few_reads(provider, aws):
    await apply(provider)

    assert actions(aws) == [
        "DescribeServices",
        *["DescribeTargetHealth"] * 2,
        *["DescribeRules", "DescribeTags"],
        *["CreateRule"] * 3,
        "SetRulePriorities",
        "DescribeRules",
        *["DeleteRule"] * 2,
    ]


async def test_tags_of_other_applications_rules_are_cached(provider, aws, groups):
    for priority in range(1001, 1061):
        tags = {"a": "b"} if priority % 2 else {}
        aws.add_rule(groups["v8"], host="other.example.org", priority=priority, tags=tags)
    await apply(provider)
    aws.calls.clear()

    await read(provider)

    assert actions(aws) == ["DescribeRules", "DescribeTags"]
    [tags] = aws.calls.matching("elasticloadbalancing:DescribeTags")
    assert len(tags.parameters["ResourceArns"]) == 4


async def test_the_same_plan_again_changes_nothing(provider, aws):
    await apply(provider)
    before = present(aws)
    aws.calls.clear()

    answer = await apply(provider, emittedAt=1789000000000)

    assert answer == {"appName": APPLICATION, "created": 0, "deleted": 0}
    assert present(aws) == before
    assert aws.calls.writes() == []


STAMPS = [
    ({"generation": 12}, {"generation": 11.5}, False),
    ({"generation": 12, "emittedAt": 5}, {"generation": 12, "emittedAt": 4}, True),
    ({}, {"emittedAt": 5}, True),
    ({}, {"generation": 1}, True),
    ({}, {}, True),
]


@pytest.mark.parametrize(("applied", "next_", "passes"), STAMPS)
async def test_a_plan_is_applied_unless_it_is_older_than_the_rules(
    provider, aws, applied, next_, passes
):
    await apply(provider, **{"generation": None} | applied)
    before = present(aws)
    aws.calls.clear()
    newer = {"generation": None} | next_

    if passes:
        await apply(provider, default("v8"), **newer)
        assert list(routes(aws).values()) == ["* → orders-v8"]
        return
    with pytest.raises(Fault, match="is stale") as raised:
        await apply(provider, default("v8"), **newer)
    assert raised.value.code is Code.CONFLICT
    assert present(aws) == before
    assert aws.calls.writes() == []


async def test_placeholder_rules_of_versions_outside_the_plan_stay(provider, aws, groups):
    await apply(provider)

    [placeholder] = [rule for rule in present(aws).values() if rule.is_placeholder]
    assert (placeholder.priority, placeholder.target) == (4, groups["v8"])


async def test_rules_of_other_owners_are_not_changed(provider, aws, groups):
    add_version(aws, "v1", application="shop")
    for number, cluster in enumerate(("other", None)):
        tags = dict(rules.marks(APPLICATION, cluster)) if cluster else {"mine": "yes"}
        aws.add_rule(groups["v8"], host="other.example.org", priority=100 + number, tags=tags)
    before = present(aws)

    await apply(provider)
    await delete(provider)

    kept = {priority for priority, rule in before.items() if rule.target != groups["v8"]}
    assert {100, 101, 5} <= present(aws).keys()
    assert kept
    with pytest.raises(Fault) as raised:
        await read(provider, "shop")
    assert raised.value.code is Code.NOT_FOUND


async def test_a_service_is_found_by_each_spelling_of_its_name(provider, aws):
    given = "orders.v9"
    service = plans.read(default("v9", backend={"serviceName": given})).pins[0].service
    group = aws.add_target_group("orders-v9")
    aws.add_rule(group, host="nobody.example.org", priority=900)
    aws.add_service(service, CLUSTER, target_group_arn=group)

    await apply(provider, default("v9", backend={"serviceName": given}))

    assert list(routes(aws).values()) == ["* → orders-v9"]
    route = await read(provider)
    assert route["spec"]["rules"][0]["backendRefs"] == [{"name": given}]
    arn = aws.service(service, CLUSTER)["serviceArn"]
    answer = await apply(provider, default("v9", backend={"serviceName": arn}), generation=13)
    assert answer["created"] == 1


async def test_a_service_that_is_absent_or_has_no_target_group_is_invalid(provider, aws):
    aws.add_service("orders-v9", CLUSTER)
    aws.calls.clear()

    with pytest.raises(Fault, match=r'rules\[1\].*no active service "orders-v5" in') as raised:
        await apply(provider, query("v6"), query("v5"), default("v7"))
    assert raised.value.code is Code.INVALID
    with pytest.raises(Fault, match=r"rules\[0\].*no target group.*Apply its workload") as raised:
        await apply(provider, default("v9"))
    assert raised.value.code is Code.INVALID
    assert aws.calls.writes() == []


async def test_a_route_is_read_as_an_httproute(provider, aws):
    literal = query("a*b?", versionId="v6", backend={"serviceName": "orders-v6"})
    await apply(provider, literal, header("v6"), default("v7"))

    route = await read(provider)

    assert route["kind"] == "HTTPRoute"
    assert route["metadata"]["name"] == APPLICATION
    assert route["metadata"]["annotations"] == {"plt.dev/generation": "12"}
    assert route["spec"]["hostnames"] == [HOSTNAME]
    [first, pin, last] = route["spec"]["rules"]
    assert "headers" not in first["matches"][0]
    assert first["backendRefs"] == [{"name": "orders-v7"}]
    assert pin["matches"][0]["queryParams"] == [{"type": "Exact", "name": "dpl", "value": "a*b?"}]
    assert last["matches"][0]["headers"] == [
        {"type": "Exact", "name": "x-deployment-id", "value": "v6"}
    ]
    [parent] = route["status"]["parents"]
    [condition] = parent["conditions"]
    assert (condition["type"], condition["status"]) == ("Accepted", "True")
    assert parent["parentRef"] == route["spec"]["parentRefs"][0]
    assert route["appName"] == APPLICATION
    assert [(rule["versionId"], rule["match"]["kind"]) for rule in route["rules"]] == [
        ("v6", "queryParam"),
        ("v6", "header"),
        ("v7", "default"),
    ]


async def test_a_route_of_an_older_writer_is_read_in_part(provider, aws, groups):
    tags = {
        "plt.dev/managed-by": "icc",
        "plt.dev/application": APPLICATION,
        "plt.dev/version": "v6",
        "plt.dev/plan-generation": "11",
    }
    aws.add_rule(groups["v6"], host=HOSTNAME, priority=70, tags=tags)

    route = await read(provider)

    assert route["rules"] == [{"versionId": "v6", "match": {"kind": "default"}}]
    assert route["spec"]["rules"][0]["backendRefs"] == []
    with pytest.raises(Fault, match="is stale"):
        await apply(provider, generation=10)
    answer = await apply(provider)
    assert answer["created"] == 3
    assert 70 not in present(aws)


async def test_placeholder_rules_alone_are_no_route(provider):
    with pytest.raises(Fault, match='no route of the application "orders"') as raised:
        await read(provider)

    assert raised.value.code is Code.NOT_FOUND


async def test_a_route_is_deleted_with_its_placeholder_rules(provider, aws):
    await apply(provider)

    assert await delete(provider) == {"name": APPLICATION, "deleted": True}

    assert present(aws) == {}
    for attempt in (read, delete):
        with pytest.raises(Fault) as raised:
            await attempt(provider)
        assert raised.value.code is Code.NOT_FOUND


async def test_a_listener_with_more_rules_than_a_page_is_read_whole(provider, aws, groups):
    for priority in range(1001, 1411):
        aws.add_rule(groups["v8"], host="other.example.org", priority=priority)
    aws.calls.clear()

    with pytest.raises(Fault):
        await read(provider)

    asked_tags = aws.calls.matching("elasticloadbalancing:DescribeTags")
    assert aws.calls.count("elasticloadbalancing:DescribeRules") == 2
    sizes = [len(call.parameters["ResourceArns"]) for call in asked_tags]
    assert sorted(sizes) == [13] + [20] * 20


NAMES = ["a/b", "..", "a\nb", ""]


@pytest.mark.parametrize("name", NAMES)
async def test_an_invalid_name_is_refused_before_any_request(provider, aws, name):
    for attempt in (read, delete):
        with pytest.raises(Fault) as raised:
            await attempt(provider, name)
        assert raised.value.code is Code.INVALID

    assert len(aws.calls) == 0
