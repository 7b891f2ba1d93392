"""The check of a provider at the start of a worker: supported operations, or a TypeError."""

import pytest

from contracts import api
from contracts.api import OPERATIONS
from contracts.resources import Controller, Machine
from tests.worker.providers import FullProvider
from worker.dispatch import methods
from worker.provider import Call
from worker.providers import PROVIDERS


class Typo:
    async def get_machin(self, operation: api.GetMachine, call: Call) -> Machine:
        raise NotImplementedError


class OtherOperation:
    async def get_machine(self, operation: api.GetMachines, call: Call) -> Machine:
        raise NotImplementedError


class OtherResult:
    async def get_machine(self, operation: api.GetMachine, call: Call) -> Controller:
        raise NotImplementedError


class OtherNames:
    async def get_machine(self, request: api.GetMachine, call: Call) -> Machine:
        raise NotImplementedError


class NoCall:
    async def get_machine(self, operation: api.GetMachine) -> Machine:
        raise NotImplementedError


class ExtraParameter:
    async def get_machine(self, operation: api.GetMachine, call: Call, deep: bool) -> Machine:
        raise NotImplementedError


class NoResult:
    async def get_machine(self, operation: api.GetMachine, call: Call):  # type: ignore[no-untyped-def]  # the test case
        raise NotImplementedError


class Synchronous:
    def get_machine(self, operation: api.GetMachine, call: Call) -> Machine:
        raise NotImplementedError


class Inherited(Typo):
    pass


class Some:
    """Supports one operation, and has other members."""

    name = "some"

    def __init__(self) -> None:
        self.connections = 3

    async def get_machine(self, operation: api.GetMachine, call: Call) -> Machine:
        raise NotImplementedError

    async def _help(self) -> None:
        raise NotImplementedError

    def describe(self) -> str:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("provider", "reason"),
    [
        (Typo, "Typo.get_machin is not an operation of the table"),
        (Inherited, "Inherited.get_machin is not an operation of the table"),
        (OtherOperation, "OtherOperation.get_machine takes"),
        (OtherResult, "OtherResult.get_machine takes"),
        (OtherNames, "OtherNames.get_machine takes"),
        (NoCall, "NoCall.get_machine takes"),
        (ExtraParameter, "ExtraParameter.get_machine takes"),
        (NoResult, "NoResult.get_machine takes"),
        (Synchronous, "Synchronous.get_machine must be a coroutine function"),
    ],
)
def test_a_provider_that_does_not_fit_the_table_is_refused_at_start(provider, reason):
    with pytest.raises(TypeError, match=reason):
        methods(provider())


def test_operations_without_a_method_are_not_supported():
    assert list(methods(Some())) == ["get_machine"]
    assert methods(object()) == {}


def test_a_provider_may_support_everything():
    assert methods(FullProvider()).keys() == OPERATIONS.keys()


def test_the_kubernetes_provider_is_registered():
    assert "k8s" in PROVIDERS
