"""The provider gives the same answers on two independent emulators of AWS.

One is the sandbox, the other is ministack. The table of deviations has the answers in which
ministack differs from AWS; all others must be equal.
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
    "imageDigest": "it does not ask a registry",
    "aws:ecs:clusterName": "ECS's own tags are not put on tasks",
    "aws:ecs:serviceName": "ECS's own tags are not put on tasks",
}
"""Members of a task that ministack 1.5.33 does not have."""

AT_ONCE = "UpdateService answers after tasks were started or stopped, with the new counts"

DEVIATIONS: dict[str, tuple[Any, str]] = {
    "machines of an absent cluster": ([], "ListTasks of an absent cluster is an empty list"),
    f"scaled up{IN_OUTCOME}": ([4, 4], AT_ONCE),
    f"scaled down{IN_OUTCOME}": ([1, 1], AT_ONCE),
    f"scaled to zero{IN_OUTCOME}": ([0, 0], AT_ONCE),
    f"scaled up again{IN_OUTCOME}": ([2, 2], AT_ONCE),
    f"scaled separately{IN_OUTCOME}": ([3, 3], AT_ONCE),
}
"""The answers of the provider on ministack 1.5.33, and how it differs from AWS."""


@pytest.fixture(scope="module")
def on_sandbox() -> dict[str, Any]:
    with AwsSandbox.in_thread(seed=False) as sandbox:
        return asyncio.run(scenes.answers_of(sandbox.url))


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack.running(tmp_path_factory.mktemp("ministack"), scenes.REGION) as url:
        yield url


@pytest.fixture(scope="module")
def on_ministack(url: str) -> dict[str, Any]:
    return asyncio.run(scenes.answers_of(url))


@pytest.mark.parametrize("scene", [*SCENES, *(name for name in DEVIATIONS if name not in SCENES)])
def test_both_emulators_give_the_same_answer(
    on_sandbox: dict[str, Any], on_ministack: dict[str, Any], scene: str
) -> None:
    same = _without(MISSING.keys(), on_sandbox[scene])
    wanted, _ = DEVIATIONS.get(scene, (same, ""))

    assert on_ministack[scene] == wanted


@pytest.mark.parametrize("scene", DEVIATIONS)
def test_each_deviation_differs(
    on_sandbox: dict[str, Any], on_ministack: dict[str, Any], scene: str
) -> None:
    assert on_ministack[scene] != on_sandbox[scene]


@pytest.mark.parametrize("key", MISSING)
def test_each_missing_key_is_missing_on_ministack_alone(
    on_sandbox: dict[str, Any], on_ministack: dict[str, Any], key: str
) -> None:
    assert key in str(on_sandbox)
    assert key not in str(on_ministack)


def test_only_the_expected_scenes_fail(on_sandbox: dict[str, Any]) -> None:
    failed = {name: answer["fault"] for name, answer in on_sandbox.items() if "fault" in answer}

    assert failed == {
        "machines of an absent cluster": "not_found",
        "an absent machine": "not_found",
        "an absent controller": "not_found",
        "scaled an absent controller": "not_found",
        "scaled in an absent cluster": "not_found",
        "deleted again": "not_found",
    }


def test_lists_are_complete_on_both_emulators(
    on_sandbox: dict[str, Any], on_ministack: dict[str, Any]
) -> None:
    for answers in (on_sandbox, on_ministack):
        assert len(answers["machines of several pages"]) == MANY
        assert len(answers["machines after that"]) == 4
        assert len(answers["its machines"]) == 3


def _without(keys: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(keys, each) for key, each in value.items() if key not in keys}
    return [_without(keys, each) for each in value] if isinstance(value, list) else value
