"""Requests to the API server, as the provider reports them to the call for metrics."""

from contextlib import suppress
from pathlib import Path

import pytest

from contracts.faults import Code, Fault
from tests.calls import ample
from tests.kubernetes.objects import pod
from tests.kubernetes.scripted import Answer, Scripted, answer, failure
from tests.kubernetes.test_client import BUSY, LOST, PATH, POD, REFUSED
from worker.provider import Call
from worker.providers.k8s.objects import Pod

Reported = tuple[str, str]


async def reported(folder: Path, *answers: Answer, method: str = "GET") -> Call:
    """Return the call of one read or patch that received these answers."""
    call = ample()
    async with Scripted(*answers).client(folder) as client:
        kube = client.for_call(call)
        with suppress(Fault):
            await (kube.get(PATH, Pod) if method == "GET" else kube.patch(PATH, {}, Pod))
    return call


def requests_of(call: Call) -> list[Reported]:
    return [(each.action, each.status) for each in call.requests]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize(
    ("received", "status"),
    [
        (answer(pod("web-1")), "200"),
        (failure(404, "NotFound", 'pods "web-1" not found'), "404"),
        (REFUSED, "platform_unreachable"),
    ],
)
async def test_a_request_is_reported_with_its_method_and_status(
    tmp_path: Path, method: str, received: Answer, status: str
) -> None:
    call = await reported(tmp_path, received, method=method)

    assert set(requests_of(call)) == {(method, status)}


@pytest.mark.parametrize(
    ("first", "status", "code"),
    [(LOST, "platform_failed", Code.PLATFORM_FAILED), (BUSY, "429", Code.PLATFORM_LIMITING)],
)
async def test_a_retry_is_reported_with_the_code_of_the_failure(
    tmp_path: Path, first: Answer, status: str, code: Code
) -> None:
    call = await reported(tmp_path, first, POD)

    assert requests_of(call) == [("GET", status), ("GET", "200")]
    assert call.retries == [code]
