"""The provider says the same on two emulators of AWS that were written apart from each other.

The one is the sandbox's. Where the other does not do as AWS does, the table of deviations says so:
what is not in it has to be the same.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.sandbox.aws.server import AwsSandbox
from tests.ecs.emulators import ministack, scenes
from tests.ecs.emulators.scenes import IN_OUTCOME, MANY, SCENES

# The first run installs the emulator.
pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]

MISSING = {
    "imageDigest": "nobody asks a registry for it",
    "aws:ecs:clusterName": "ECS's own tags are not put on tasks",
    "aws:ecs:serviceName": "ECS's own tags are not put on tasks",
}
"""What ministack 1.5.33 never says of a task."""

AT_ONCE = "UpdateService answers after tasks were started or stopped, so its counts are new ones"

DEVIATIONS: dict[str, tuple[Any, str]] = {
    "machines of no cluster": ([], "the tasks of a cluster that is not there are an empty list"),
    f"scaled up{IN_OUTCOME}": ([4, 4], AT_ONCE),
    f"scaled down{IN_OUTCOME}": ([1, 1], AT_ONCE),
    f"scaled to none{IN_OUTCOME}": ([0, 0], AT_ONCE),
    f"scaled up again{IN_OUTCOME}": ([2, 2], AT_ONCE),
    f"scaled by somebody{IN_OUTCOME}": ([3, 3], AT_ONCE),
}
"""What the provider says on ministack 1.5.33 instead, and what is not as on AWS there."""


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    with AwsSandbox.in_thread(seed=False) as sandbox:
        return asyncio.run(scenes.played(sandbox.url))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack.running(tmp_path_factory.mktemp("ministack"), scenes.REGION) as url:
        yield url


@pytest.fixture(scope="module")
def told(url: str) -> dict[str, Any]:
    return asyncio.run(scenes.played(url))


@pytest.mark.parametrize("scene", [*SCENES, *(name for name in DEVIATIONS if name not in SCENES)])
def test_both_say_the_same(expected: dict[str, Any], told: dict[str, Any], scene: str) -> None:
    on_aws = _without(MISSING.keys(), expected[scene])
    wanted, _ = DEVIATIONS.get(scene, (on_aws, ""))

    assert told[scene] == wanted


@pytest.mark.parametrize("scene", DEVIATIONS)
def test_what_is_called_a_deviation_is_one(
    expected: dict[str, Any], told: dict[str, Any], scene: str
) -> None:
    assert told[scene] != expected[scene]


@pytest.mark.parametrize("key", MISSING)
def test_what_is_called_missing_is_missing_there_alone(
    expected: dict[str, Any], told: dict[str, Any], key: str
) -> None:
    assert key in str(expected)
    assert key not in str(told)


def test_no_scene_fails_that_should_not(expected: dict[str, Any]) -> None:
    failed = {name: answer["fault"] for name, answer in expected.items() if "fault" in answer}

    assert failed == {
        "machines of no cluster": "not_found",
        "no machine": "not_found",
        "no controller": "not_found",
        "scaled what is absent": "not_found",
        "scaled in no cluster": "not_found",
        "deleted again": "not_found",
    }


def test_lists_are_whole_on_both(expected: dict[str, Any], told: dict[str, Any]) -> None:
    for answers in (expected, told):
        assert len(answers["machines of more than a page"]) == MANY
        assert len(answers["machines after that"]) == 4
        assert len(answers["its machines"]) == 3


def _without(keys: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(keys, each) for key, each in value.items() if key not in keys}
    return [_without(keys, each) for each in value] if isinstance(value, list) else value
