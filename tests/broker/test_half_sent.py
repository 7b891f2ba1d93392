"""A request that a frozen worker had sent in part has no effect after its successor's request."""

from pathlib import Path

import pytest

from tests.broker.holding import CUTS, HoldingProxy
from tests.producer import lasting_event, publish
from tests.stack import Stack, eventually

KNOWN, OLD, NEW = 1, 2, 3
UNSENT = "not-connected-yet"
"""A controller that the worker has not read yet, so its scaling has no precondition."""


@pytest.mark.timeout(180)
def test_a_request_in_flight_when_its_worker_froze_has_no_effect_after_the_handover(
    stack: Stack, tmp_path: Path
) -> None:
    for name in (*CUTS, UNSENT):
        stack.sandbox.add_deployment(name, replicas=0)
    with HoldingProxy(stack.sandbox, tmp_path) as proxy:
        first = stack.worker(
            PLT_K8S_REST_API_URL=proxy.url,
            PLT_K8S_CA_PATH=str(proxy.ca_path),
            PLT_K8S_CONNECT_TIMEOUT_MS="120000",
        )
        gateway = stack.gateway()
        eventually(lambda: gateway.attended_by(1), what="the first worker owns every partition")
        for name in CUTS:
            assert gateway.scale(name, KNOWN).status_code == 200

        proxy.hold(CUTS)
        publish(stack.amqp_url, [lasting_event(name, OLD) for name in CUTS])
        eventually(lambda: set(proxy.held) == set(CUTS), what="every request is held")
        proxy.hold_handshakes()
        publish(stack.amqp_url, [lasting_event(UNSENT, OLD)])
        eventually(lambda: proxy.held_handshakes, what="the last command waits for a connection")
        first.freeze()
        assert set(proxy.writes) == {1}, "every request is one write"

        stack.worker()
        publish(stack.amqp_url, [lasting_event(name, NEW) for name in (*CUTS, UNSENT)])
        eventually(lambda: set(replicas(stack).values()) == {NEW}, what="the successor took over")
        proxy.release()
        late = len(CUTS) - 1
        eventually(lambda: refused(stack) == late, what="the API server refuses the late requests")
        first.thaw()
        eventually(lambda: gateway.attended_by(2), what="the first worker is back")

        assert refused(stack) == late
        assert set(replicas(stack).values()) == {NEW}


def refused(stack: Stack) -> int:
    """Count the scalings whose JSON Patch test failed."""
    return sum(call.status == 422 for call in stack.sandbox.calls.matching("PATCH"))


def replicas(stack: Stack) -> dict[str, int]:
    """Return the replicas of each controller."""
    return {
        each["metadata"]["name"]: each["spec"]["replicas"]
        for each in stack.sandbox.read_all("deployments.apps")
        if each["metadata"]["name"] in {*CUTS, UNSENT}
    }
