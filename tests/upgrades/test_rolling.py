"""Rolling replacements under load: no request fails, no command is lost, the order is kept."""

import pytest

from contracts.outcomes import Result
from tests.history import checker
from tests.history.audit_reader import AuditReader
from tests.history.report import summary, timeline
from tests.stack import Stack
from tests.upgrades.fleet import Fleet
from tests.upgrades.hand_over import hand_overs
from tests.upgrades.load import Load, Rates
from tests.upgrades.service import Service

DAILY = Rates(scaling=3, reading=1, events=4, pause_s=0.4)


def assert_nothing_failed(load: Load, audit: AuditReader, stack: Stack) -> None:
    """Print the figures; fail if a request failed, or a promise was broken."""
    history = load.history(audit, stack.sandbox)
    print("\n", dict(load.answers), *load.failures[:10], *summary(history), sep="\n")
    assert not load.failures
    found = checker.violations(history)
    assert not found, "\n".join(line for each in found[:10] for line in timeline(history, each))
    assert {each.result for each in history.records} <= {
        Result.STARTED,
        Result.DONE,
        Result.SUPERSEDED,
    }


@pytest.mark.timeout(240)
def test_replacing_every_gateway_and_worker_fails_no_request(stack: Stack) -> None:
    roll(stack, ["k8s"], DAILY, workers=2)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_replacing_every_process_of_two_providers_at_a_higher_rate_fails_no_request(
    stack: Stack,
) -> None:
    roll(stack, ["k8s", "k8s-b"], Rates(scaling=8, reading=4, events=16, pause_s=0.4), workers=3)


def roll(stack: Stack, providers: list[str], rates: Rates, workers: int) -> None:
    """Replace the workers of each provider, then the gateways."""
    service = Service()
    load = Load(service, stack.amqp_url, providers, rates)
    load.prepare(stack.sandbox)
    fleet = Fleet(stack, service, providers)
    with AuditReader(stack.amqp_url) as audit:
        fleet.start(gateways=2, workers=workers)
        stack.sandbox.calls.clear()

        def steps() -> None:
            fleet.replace_workers()
            fleet.replace_gateways()

        load.run(steps)
        assert_nothing_failed(load, audit, stack)
        print_hand_overs(audit, fleet)


def print_hand_overs(audit: AuditReader, fleet: Fleet) -> None:
    """Print the time from SIGTERM of a worker to the next start of a command, and to its end."""
    for stop in fleet.stops:
        gaps = sorted(hand_overs(audit.records, stop).values())
        if gaps:
            print(
                f"{len(gaps)} partitions taken over in {gaps[0]:.2f} to {gaps[-1]:.2f} s, median "
                f"{gaps[len(gaps) // 2]:.2f} s; the worker ended after {stop.ended - stop.at:.2f} s"
            )
