"""Superseding and throughput: many scale events cause few platform calls in little time."""

import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from contracts.outcomes import Result
from tests.bench.loads import usage
from tests.bench.requests import CONTROLLERS, MEMORY
from tests.history.audit_reader import AuditReader
from tests.history.test_history import writes
from tests.producer import publish, scale_event
from tests.stack import Process, Stack, eventually

ADDRESSES = 50
EVENTS = 5_000
PLATFORM_S = 0.05
WITHIN_S = 60
MOST_CPU_S = 0.001
"""CPU time of a single-threaded worker per event, which allows 1,000 events per second."""


def test_many_events_on_a_slow_platform_cause_few_calls_and_the_last_state(
    stack: Stack,
) -> None:
    names = [f"app-{number}" for number in range(ADDRESSES)]
    for name in names:
        stack.sandbox.add_deployment(name, replicas=0, spec={"paused": True})
    stack.sandbox.faults.add(method="PATCH", delay=PLATFORM_S, times=None)
    values = range(1, EVENTS // ADDRESSES + 1)
    with AuditReader(stack.amqp_url) as audit:
        for _ in range(2):
            # The sandbox shares this process with the publisher, and may respond late.
            stack.worker(PLT_K8S_CONNECT_TIMEOUT_MS="60000")
        gateway = stack.gateway()
        eventually(lambda: gateway.attended_by(2), what="the workers are attached")
        stack.sandbox.calls.clear()
        began = time.monotonic()
        publish(stack.amqp_url, [scale_event(name, value) for value in values for name in names])
        eventually(lambda: audit.finals() == EVENTS, WITHIN_S)
        took = time.monotonic() - began

    calls = writes(stack.sandbox)
    finals = Counter(each.id for each in audit.records if each.result is not Result.STARTED)
    print(f"\n{EVENTS} events in {took:.1f} s, {len(calls)} calls")
    # During a call the waiting events of its address collapse into one. The number of calls is
    # bounded by the duration, not by the number of events, plus one call for each address.
    assert len(calls) <= ADDRESSES * (took / PLATFORM_S + 2)
    assert len(calls) < EVENTS / 3
    again = [each for each in audit.records if finals[each.id] > 1]
    assert not again, again[:6]
    assert len(finals) == EVENTS
    assert {each.result for each in audit.records} == {
        Result.STARTED,
        Result.DONE,
        Result.SUPERSEDED,
    }
    last = {call.address: call.value for call in sorted(calls, key=lambda call: call.start)}
    assert last == dict.fromkeys(names, values[-1])


@pytest.mark.full
def test_a_worker_handles_1000_events_per_second_on_an_instant_platform(
    stack: Stack, tmp_path: Path
) -> None:
    names = CONTROLLERS[:ADDRESSES]
    values = range(1, EVENTS // ADDRESSES + 1)
    events = [scale_event(name, value) for value in values for name in names]
    environment = {
        "PLT_AMQP_URL": stack.amqp_url,
        "PLT_PROVIDER": MEMORY,
        "PLT_PROVIDER_NAME": "k8s",
    }
    worker = Process("tests.bench.subjects.memory_worker", environment, tmp_path / "worker.log")
    with closing(worker), AuditReader(stack.amqp_url) as audit:
        gateway = stack.gateway()
        eventually(lambda: gateway.attended_by(1), what="the worker is attached")
        group = {"worker": [worker.pid]}
        before = usage.now(group)
        assert publish(stack.amqp_url, events) == 0
        eventually(lambda: audit.finals() == EVENTS, WITHIN_S)
        used = usage.now(group) - before

    runs = sum(each.result is Result.DONE for each in audit.records)
    each_s = used.groups["worker"] / EVENTS
    print(
        f"\n{EVENTS} events, {runs} of them run: {EVENTS / used.clock:.0f}/s from the first "
        f"publish to the last outcome on this machine, {each_s * 1000:.3f} ms of the worker's "
        f"processor each: {1 / each_s:.0f}/s per worker"
    )
    assert each_s <= MOST_CPU_S
