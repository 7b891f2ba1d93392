"""The headers of W3C Trace Context."""

import pytest

from contracts.observation import trace_context
from contracts.observation.trace_context import TraceContext

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
VALID = f"00-{TRACE}-{PARENT}-01"


def test_the_parts_of_a_traceparent_are_read():
    context = trace_context.read(VALID)

    assert context == TraceContext(VALID)
    assert (context.trace_id, context.parent_id, context.flags) == (TRACE, PARENT, 1)


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        "nonsense",
        VALID.upper(),
        f"{VALID}-00",
        f" {VALID}",
        f"{VALID}\n",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        7,
        b"00",
        None,
        ["00"],
    ],
    ids=repr,
)
def test_an_invalid_traceparent_is_no_context(traceparent):
    assert trace_context.read(traceparent, "a=1") is None


@pytest.mark.parametrize(
    "tracestate",
    ["a=1", "a=1, b=2", "tenant@vendor=x", "a=1,,b=2", "a=" + "x" * 256, "a= b!", "0a/b*c-d_e=~"],
)
def test_a_valid_tracestate_is_passed_on(tracestate):
    context = trace_context.read(VALID, tracestate)

    assert context is not None
    assert context.headers() == {"traceparent": VALID, "tracestate": tracestate}


@pytest.mark.parametrize(
    "tracestate",
    [
        "",
        "a",
        "=1",
        "A=1",
        "a=",
        "a=1=2",
        "a=\x1b[31m",
        "a=é",
        "a=1\nb=2",
        "a=" + "x" * 257,
        ",".join(f"k{n}=1" for n in range(33)),
        "a=1," + ",".join(f"k{n}={'x' * 100}" for n in range(5)),
        7,
        None,
    ],
    ids=repr,
)
def test_an_invalid_tracestate_is_dropped_alone(tracestate):
    context = trace_context.read(VALID, tracestate)

    assert context is not None
    assert context.headers() == {"traceparent": VALID}


def test_the_context_of_a_request_is_in_its_headers():
    headers = [(b"traceparent", VALID.encode()), (b"tracestate", b"a=1"), (b"tracestate", b"b=2")]

    assert trace_context.of_request(headers) == TraceContext(VALID, "a=1,b=2")


def test_a_request_with_two_traceparents_has_no_context():
    assert trace_context.of_request([(b"traceparent", VALID.encode())] * 2) is None


def test_the_context_of_a_message_is_in_its_headers():
    headers = {"traceparent": VALID, "tracestate": "a=1", "deadline": 1}

    assert trace_context.of_message(headers) == TraceContext(VALID, "a=1")
