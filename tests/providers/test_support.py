"""The supported operations of each provider, and its answers to unsupported ones."""

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


def test_the_supported_operations_are_the_expected_ones(platform, provider):
    assert methods(provider).keys() == OPERATIONS.keys() - platform.unsupported.keys()


async def test_an_unsupported_operation_is_answered_with_its_replacement(platform, provider):
    loopback = Loopback(Dispatch(platform.name, provider, KEYS), seals=KEYS)

    for name, instead in platform.unsupported.items():
        reply = await loopback.call(platform.name, EXAMPLES[name])

        assert reply.status == 501
        problem = json.decode(reply.body, type=Problem)
        assert problem.code is Code.UNSUPPORTED
        assert f"{name} is not supported by the provider {platform.name}" in problem.message
        assert f"use {instead}" in problem.message
    assert platform.writes == 0


def test_every_registered_provider_is_tested(monkeypatch):
    """A registered provider without a stand-in fails instead of being left out."""
    monkeypatch.setitem(PROVIDERS, "cloud-x", PROVIDERS["k8s"])
    test = Parametrized()

    conftest.pytest_generate_tests(cast(pytest.Metafunc, test))

    assert test.platforms == sorted(PROVIDERS)
    assert "cloud-x" in test.platforms
    with pytest.raises(LookupError, match=r"'cloud-x' is registered .*stand_ins\.cloud_x with"):
        stand_in("cloud-x")


def test_the_platform_has_the_name_of_a_registered_provider(platform):
    assert platform.name in PROVIDERS


class Parametrized:
    """The `pytest.Metafunc` of a test with the fixture `platform`."""

    fixturenames = ("platform",)

    def __init__(self) -> None:
        self.platforms: list[str] = []
        self.config = self

    def getoption(self, name: str) -> None:
        """Return None: no kubeconfig on the command line."""

    def parametrize(self, name: str, values: list[str], *, indirect: bool) -> None:
        assert (name, indirect) == ("platform", True)
        self.platforms = values
