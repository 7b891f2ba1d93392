"""Upgrades and roll-backs between the former version and this one, process by process under load.

The phases cover old gateways with new workers, new gateways with old workers, and a topology that
each version finds as the other one has declared it.
"""

from pathlib import Path

import pytest

from tests.history.audit_reader import AuditReader
from tests.stack import REPOSITORY, Stack
from tests.upgrades.fleet import Fleet
from tests.upgrades.former import former_source
from tests.upgrades.load import Load, Rates
from tests.upgrades.service import Service
from tests.upgrades.test_rolling import assert_nothing_failed

pytestmark = [pytest.mark.full, pytest.mark.timeout(1200)]

PROVIDERS = ["k8s", "k8s-b"]
RATES = Rates(scaling=4, reading=1, events=4, pause_s=1.0)


@pytest.fixture
def former(tmp_path: Path) -> Path:
    return former_source(tmp_path / "former")


@pytest.mark.parametrize("starts_with", ["former", "present"])
@pytest.mark.parametrize("first", ["gateways", "workers"])
def test_an_upgrade_and_a_roll_back_fail_no_request(
    stack: Stack, former: Path, starts_with: str, first: str
) -> None:
    present = REPOSITORY
    begin, other = (former, present) if starts_with == "former" else (present, former)
    service = Service()
    load = Load(service, stack.amqp_url, PROVIDERS, RATES)
    load.prepare(stack.sandbox)
    fleet = Fleet(stack, service, PROVIDERS)
    with AuditReader(stack.amqp_url) as audit:
        fleet.start(gateways=2, workers=2, tree=begin)
        stack.sandbox.calls.clear()

        def steps() -> None:
            for tree in (other, begin):
                if first == "gateways":
                    fleet.replace_gateways(tree)
                fleet.replace_workers(tree)
                if first == "workers":
                    fleet.replace_gateways(tree)

        load.run(steps)
        assert_nothing_failed(load, audit, stack)
