"""What each provider supports, as its stand-in pins it, and what it answers to all the rest."""

from typing import cast

import pytest
from msgspec import json

from contracts.faults import Code, Problem
from contracts.operation import OPERATIONS
from contracts.seal import Seals
from tests.examples import EXAMPLES
from tests.loopback import Loopback
from tests.providers import conftest
from tests.providers.stand_ins import stand_in
from worker.dispatch import Dispatch, methods
from worker.providers import PROVIDERS

KEYS = Seals([bytes(32)])


def test_support_is_neither_lost_nor_gained_silently(platform, provider):
    assert methods(provider).keys() == OPERATIONS.keys() - platform.lacks.keys()


async def test_what_a_platform_has_no_word_for_is_answered_with_what_to_use_instead(
    platform, provider
):
    loopback = Loopback(Dispatch(platform.name, provider, KEYS), seals=KEYS)

    for name, instead in platform.lacks.items():
        reply = await loopback.call(platform.name, EXAMPLES[name])

        assert reply.status == 501
        problem = json.decode(reply.body, type=Problem)
        assert problem.code is Code.UNSUPPORTED
        assert f"{name} is not supported by the provider {platform.name}" in problem.message
        assert f"use {instead}" in problem.message
    assert platform.writes == 0


def test_a_provider_is_tried_because_it_is_registered(monkeypatch):
    """One without a stand-in fails, instead of being left out."""
    monkeypatch.setitem(PROVIDERS, "cloud-x", PROVIDERS["k8s"])
    tried = Parametrized()

    conftest.pytest_generate_tests(cast(pytest.Metafunc, tried))

    assert tried.platforms == sorted(PROVIDERS)
    assert "cloud-x" in tried.platforms
    with pytest.raises(LookupError, match=r"'cloud-x' is registered .*stand_ins\.cloud_x with"):
        stand_in("cloud-x")


def test_the_stand_in_of_a_provider_is_its_own(platform):
    assert platform.name in PROVIDERS


class Parametrized:
    """A test that needs a platform, as pytest shows it while it collects."""

    fixturenames = ("platform",)

    def __init__(self) -> None:
        self.platforms: list[str] = []
        self.config = self

    def getoption(self, name: str) -> None:
        """No platform is named on the command line."""

    def parametrize(self, name: str, values: list[str], *, indirect: bool) -> None:
        assert (name, indirect) == ("platform", True)
        self.platforms = values
