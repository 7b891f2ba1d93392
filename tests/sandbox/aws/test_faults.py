"""The call log and faults."""

import threading
import time
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from deploy.sandbox.aws.server import AwsSandbox
from tests.sandbox.aws.conftest import until
from tests.sandbox.aws.refusals import refused


def test_each_request_is_logged_with_its_parameters_and_times(
    aws: AwsSandbox, ecs: Any, balancing: Any, tagging: Any
) -> None:
    before, wall = time.monotonic(), time.time()
    ecs.list_services(cluster="shop")
    listener = aws.add_listener()
    balancing.describe_rules(ListenerArn=listener, PageSize=10)
    tagging.get_resources(ResourceTypeFilters=["ecs:task"])
    with refused("ServiceNotFoundException"):
        ecs.update_service(cluster="shop", service="absent", desiredCount=3)
    [first, second, third, fourth] = aws.calls

    assert aws.calls.actions() == [
        "ecs:ListServices",
        "elasticloadbalancing:DescribeRules",
        "tag:GetResources",
        "ecs:UpdateService",
    ]
    assert first.parameters == {"cluster": "shop"}
    assert second.parameters == {"ListenerArn": listener, "PageSize": 10}
    assert third.parameters == {"ResourceTypeFilters": ["ecs:task"]}
    assert (fourth.status, fourth.error) == (400, "ServiceNotFoundException")
    assert first.t_end is not None
    assert before <= first.t_start <= first.t_end <= time.monotonic()
    assert wall - 1 <= first.wall_start <= time.time() + 1
    assert (aws.calls.count("ecs:ListServices"), aws.calls.count("ecs:")) == (1, 2)
    assert aws.calls.writes() == [fourth]
    assert "Botocore" in first.user_agent


def test_a_fault_holds_for_a_number_of_requests(aws: AwsSandbox, ecs: Any) -> None:
    aws.faults.add(
        "ecs:ListServices", "ServerException", status=500, message="Internal error", times=2
    )
    for _ in range(2):
        with refused("ServerException", "Internal error", status=500):
            ecs.list_services(cluster="shop")
    ecs.list_services(cluster="shop")
    ecs.list_clusters()

    statuses = [call.status for call in aws.calls.matching("ecs:ListServices")]
    assert statuses == [500, 500, 200]


def test_a_fault_can_match_parameters(aws: AwsSandbox, ecs: Any) -> None:
    aws.add_cluster("other")
    fault = aws.faults.add(code="ClientException", times=None, parameters={"cluster": "other"})
    ecs.list_services(cluster="shop")
    with refused("ClientException"):
        ecs.list_services(cluster="other")
    assert fault.hits == 1
    aws.faults.remove(fault)
    ecs.list_services(cluster="other")


def test_throttling_and_denial_have_the_code_of_each_protocol(
    aws: AwsSandbox, ecs: Any, balancing: Any
) -> None:
    listener = aws.add_listener()
    aws.faults.throttle("ecs:ListServices")
    aws.faults.throttle("elasticloadbalancing:DescribeRules")
    with refused("ThrottlingException", "Rate exceeded"):
        ecs.list_services(cluster="shop")
    with refused("Throttling", "Rate exceeded"):
        balancing.describe_rules(ListenerArn=listener)
    aws.faults.deny("ecs:ListServices")
    aws.faults.deny("elasticloadbalancing:DescribeRules")
    with refused("AccessDeniedException", "not authorized to perform: ecs:ListServices"):
        ecs.list_services(cluster="shop")
    with refused("AccessDenied", "not authorized", status=403):
        balancing.describe_rules(ListenerArn=listener)


@pytest.mark.parametrize(("when", "count"), [("before", 1), ("after", 3)])
def test_a_cut_connection_acts_or_not(aws: AwsSandbox, ecs: Any, when: Any, count: int) -> None:
    aws.add_service("web", "shop", desired=1)
    aws.faults.add("ecs:UpdateService", disconnect=when)
    with pytest.raises(ConnectionClosedError):
        ecs.update_service(cluster="shop", service="web", desiredCount=3)
    [call] = aws.calls.matching("ecs:UpdateService")

    assert aws.service("web", "shop")["desiredCount"] == count
    assert call.status is None
    assert call.t_end is not None


def test_a_delayed_request_is_logged_and_delays_no_other(aws: AwsSandbox, ecs: Any) -> None:
    aws.faults.add("ecs:ListServices", delay=1)
    waiting = threading.Thread(target=ecs.list_services, kwargs={"cluster": "shop"})
    waiting.start()
    until(lambda: aws.calls.count("ecs:ListServices"))
    ecs.list_clusters()
    [call] = aws.calls.matching("ecs:ListServices")
    unanswered = call.t_end is None
    waiting.join()

    assert unanswered
    assert call.t_end is not None
    assert call.t_end - call.t_start >= 1


def test_a_fault_can_answer_html(aws: AwsSandbox, ecs: Any) -> None:
    aws.faults.add("ecs:ListServices", status=502, body="<html>Bad Gateway</html>")
    with refused("502", status=502):
        ecs.list_services(cluster="shop")


def test_an_unknown_operation_is_refused(aws: AwsSandbox, ecs: Any) -> None:
    with refused("UnknownOperationException"):
        ecs.list_services_by_namespace(namespace="x")
