"""Labels of a machine are tags of its task: set, removed and validated."""

from collections.abc import Callable

import pytest

from contracts import api
from contracts.faults import Code, Fault
from deploy.sandbox.aws.server import AwsSandbox
from worker.provider import Call
from worker.providers.ecs.provider import EcsProvider


def tags_of(aws: AwsSandbox, arn: str) -> dict[str, str]:
    [task] = [task for task in aws.tasks("shop") if task["taskArn"] == arn]
    return {tag["key"]: tag["value"] for tag in task["tags"]}


def changes(aws: AwsSandbox) -> list[str]:
    return [each.action for each in aws.calls.writes()]


async def label(
    provider: EcsProvider, call: Callable[[], Call], id: str, **labels: str | None
) -> dict[str, str | None]:
    answer = await provider.set_machine_labels(api.SetMachineLabels("shop", id, labels), call())
    return answer.labels


async def test_labels_are_set_and_removed_and_others_stay(aws, provider, call):
    arn = aws.add_task("shop", tags={"a": "1", "b": "2", "c": "3"})

    answer = await label(provider, call, arn, a="9", b=None, new="")

    assert answer == {"a": "9", "b": None, "new": ""}
    assert tags_of(aws, arn) == {"a": "9", "c": "3", "new": ""}


async def test_setting_labels_takes_two_calls(aws, provider, call):
    arn = aws.add_task("shop")

    await label(provider, call, arn, a="1", b="2")

    assert aws.calls.actions() == ["ecs:DescribeTasks", "ecs:TagResource"]


async def test_a_refused_change_names_the_labels_that_were_already_removed(aws, provider, call):
    arn = aws.add_task("shop", tags={"old": "1"})
    aws.faults.deny("ecs:TagResource")

    with pytest.raises(Fault, match="The labels that were already removed: old") as raised:
        await label(provider, call, arn, old=None, new="1")

    assert raised.value.code is Code.PLATFORM_FORBIDDEN
    assert tags_of(aws, arn) == {}


async def test_an_empty_label_map_changes_nothing(aws, provider, call):
    arn = aws.add_task("shop", tags={"a": "1"})

    assert await label(provider, call, arn) == {}
    assert changes(aws) == []


async def test_an_absent_label_can_be_removed(aws, provider, call):
    arn = aws.add_task("shop")

    assert await label(provider, call, arn, absent=None) == {"absent": None}


async def test_labels_of_an_absent_machine_are_not_found(aws, provider, call):
    aws.add_cluster("shop")

    with pytest.raises(Fault, match="0" * 32) as raised:
        await label(provider, call, "0" * 32, a="1")

    assert raised.value.code is Code.NOT_FOUND
    assert changes(aws) == []


@pytest.mark.parametrize(
    "labels", [{"aws:x": "1"}, {"a*": "1"}, {"a": "1,2"}, {"k" * 129: "1"}, {"k": "v" * 257}]
)
async def test_an_invalid_tag_reaches_no_aws(aws, provider, call, labels):
    arn = aws.add_task("shop")

    with pytest.raises(Fault, match="labels") as raised:
        await label(provider, call, arn, **labels)

    assert raised.value.code is Code.INVALID
    assert len(aws.calls) == 0


@pytest.mark.parametrize(
    ("present", "labels", "fits"),
    [
        (49, {"new": "1"}, True),
        (50, {"k0": "9"}, True),
        (50, {"new": "1"}, False),
        (50, {"new": "1", "k0": None}, True),
        (50, {"k0": None}, True),
        (0, {f"n{number}": "1" for number in range(51)}, False),
    ],
)
async def test_a_machine_has_at_most_50_labels(aws, provider, call, present, labels, fits):
    own = {f"k{number}": "1" for number in range(present)}
    arn = aws.add_task("shop")
    aws.set_task_tags(arn, own | {"aws:ecs:clusterName": "shop"})

    if fits:
        await label(provider, call, arn, **labels)
        assert len(tags_of(aws, arn)) <= 51
        return
    with pytest.raises(Fault, match="at most 50") as raised:
        await label(provider, call, arn, **labels)
    assert raised.value.code is Code.INVALID
    assert changes(aws) == []


async def test_a_stopped_machine_is_a_conflict(aws, provider, call):
    arn = aws.add_task("shop", tags={"b": "2"})
    aws.stop_task(arn)

    with pytest.raises(Fault, match="has stopped") as raised:
        await label(provider, call, arn, a="1", b=None)

    assert raised.value.code is Code.CONFLICT
    assert changes(aws) == []


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("The specified task is stopped. Specify an active one and try again.", Code.CONFLICT),
        ("The specified task is not found.", Code.NOT_FOUND),
    ],
)
async def test_a_machine_that_stops_meanwhile_is_not_an_invalid_request(
    aws, provider, call, message, code
):
    arn = aws.add_task("shop")
    aws.faults.add("ecs:TagResource", "InvalidParameterException", message=message)

    with pytest.raises(Fault, match=message) as raised:
        await label(provider, call, arn, a="1")

    assert raised.value.code is code


async def test_a_label_of_the_service_cannot_be_removed_from_one_machine(aws, provider, call):
    aws.add_service("web", "shop", desired=1, tags={"app": "shop"}, task_tags={"own": "1"})
    [task] = aws.tasks("shop")

    with pytest.raises(Fault, match=r'app cannot be removed .* controller "web"') as raised:
        await label(provider, call, task["taskArn"], app=None, own=None, new="1")

    assert raised.value.code is Code.CONFLICT
    assert changes(aws) == []
    assert await label(provider, call, task["taskArn"], own=None) == {"own": None}


async def test_a_change_that_failed_in_part_does_not_claim_that_nothing_was_done(
    aws, provider, call
):
    arn = aws.add_task("shop", tags={"old": "1"})
    aws.faults.throttle("ecs:TagResource", times=None)

    with pytest.raises(Fault, match="may have had an effect") as raised:
        await label(provider, call, arn, old=None, new="1")

    assert raised.value.code is Code.PLATFORM_FAILED
