"""Messages that are refused for their queue, their publisher's rights or their properties."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from contracts import topology
from contracts.api import OPERATIONS
from contracts.faults import Code
from contracts.operation import Operation
from contracts.records.dead_letters import REASON_LIMIT
from contracts.seal import Seals
from contracts.wire import Message
from tests.examples import EXAMPLES, message_of
from worker.messages.examination import Examination, Refusal

SCALE = EXAMPLES["update_controller_replicas"]
SLOT = 0
"""The slot of the examples' controller."""

COMMANDS = sorted(name for name, each in OPERATIONS.items() if not each.row.safe)


def examined(
    slot: int | None = SLOT, name: str = "update_controller_replicas", **changes: Any
) -> Operation[Any]:
    """Return the operation in a message from the queue of a slot."""
    return Examination("k8s", Seals([]), {}).operation(message(name, **changes), slot)


def message(name: str, **changes: Any) -> Message:
    """Return the example of an operation with changes; headers are added."""
    built = message_of(EXAMPLES[name])
    return message_of(
        EXAMPLES[name], **changes | {"headers": built.headers | changes.get("headers", {})}
    )


def refusal(**changes: Any) -> Refusal:
    """Return the refusal of a message."""
    with pytest.raises(Refusal) as raised:
        examined(**changes)
    return raised.value


def as_event(**changes: Any) -> dict[str, Any]:
    """Return the properties of a producer's message."""
    return {"exchange": topology.EVENTS, "user_id": "scheduler", **changes}


def test_a_command_in_the_queue_of_its_slot_is_run():
    assert examined() == SCALE


@pytest.mark.parametrize("slot", range(1, 8))
def test_a_copy_in_the_queue_of_another_slot_is_refused(slot):
    refused = refusal(slot=slot)

    assert refused.code is Code.INVALID
    assert refused.message == (
        f"k8s.0.controllers.default.hello does not belong in the queue of slot {slot}"
    )


@pytest.mark.parametrize("slot", range(8))
def test_a_query_in_a_queue_of_commands_is_refused(slot):
    assert "does not belong" in refusal(slot=slot, name="get_machine").message


def test_a_query_is_examined_without_a_slot():
    assert examined(None, "get_machine") == EXAMPLES["get_machine"]


@pytest.mark.parametrize("header", ["CC", "BCC"])
@pytest.mark.parametrize("value", ["k8s.1.x", "", None])
@pytest.mark.parametrize("sender", [{}, as_event()], ids=["gateway", "producer"])
def test_a_message_that_was_copied_to_other_keys_is_refused(header, value, sender):
    refused = refusal(headers={header: value}, **sender)

    assert refused.code is Code.FORBIDDEN
    assert refused.message == f"header {header}: expected none, publish each command"


@pytest.mark.parametrize("value", ["admin", "", 7])
def test_a_producer_may_not_set_requested_by(value):
    refused = refusal(headers={"requested-by": value}, **as_event())

    assert refused.code is Code.FORBIDDEN
    assert refused.message.startswith("header requested-by: expected none")


def test_a_gateway_may_set_requested_by():
    assert examined(headers={"requested-by": "icc"}) == SCALE


@pytest.mark.parametrize("key", ["k", "k" * 255, "a b", "é" * 255, "{}[]"])
@pytest.mark.parametrize("sender", [{}, as_event()], ids=["gateway", "producer"])
def test_an_idempotency_key_has_1_to_255_printable_characters(key, sender):
    assert examined(headers={"idempotency-key": key}, **sender) == SCALE


@pytest.mark.parametrize("key", ["", "k" * 256, "a\nb", "\x00", "\u200b", 7, True, b"k", ["k"]])
def test_any_other_idempotency_key_is_refused(key):
    refused = refusal(headers={"idempotency-key": key})

    assert refused.code is Code.INVALID
    assert refused.message == ("header idempotency-key: expected 1 to 255 printable characters")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_missing_right_is_reported_before_an_invalid_body(name):
    """A user without the right learns nothing about the expected body."""
    if name not in {"update_controller_replicas", "set_machine_labels"}:
        assert refusal(name=name, body=b"{", **as_event()).code is Code.FORBIDDEN


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_in_the_queue_of_queries_is_refused(name):
    refused = refusal(slot=None, name=name, exchange=topology.QUERIES)

    assert refused.code is Code.INVALID
    assert "publish it to machinist.commands" in refused.message


@pytest.mark.parametrize(
    ("name", "meant"),
    [("dryRun", None), ("replica", "replicas"), ("Kind", "kind"), ("apiversion", "apiVersion")],
)
def test_an_event_with_an_unknown_member_is_refused_with_the_nearest_member(name, meant):
    """A gateway's message may have unknown members, since a newer version may add some."""
    body = msgspec.json.encode(msgspec.to_builtins(SCALE) | {name: "x"})

    refused = refusal(body=body, **as_event())

    assert (refused.code, refused.status) == (Code.INVALID, 400)
    assert refused.message.startswith(f"the event: unknown member '{name}', ")
    assert meant is None or f"did you mean {meant}?" in refused.message
    assert examined(body=body) == SCALE


def test_the_refusal_of_a_misspelt_required_member_names_the_misspelt_member():
    refused = refusal(body=b'{"scope":"default","name":"hello","replica":1}', **as_event())

    assert refused.message.startswith("the event: unknown member 'replica', did you mean replicas?")


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "k8s.0.\x1b[31m\u2028\u202ex"},
        as_event(user_id="me\x1b[31m\u202e", name="delete_controller"),
    ],
    ids=["key", "user"],
)
def test_a_reason_quotes_a_message_without_control_characters(changes):
    """The reason is a header in machinist.dead, which terminals show."""
    words = refusal(**changes).message

    assert words.isprintable()
    assert "\\x1b[31m" in words


@pytest.mark.parametrize("sender", [{}, as_event()], ids=["gateway", "producer"])
def test_the_refusal_of_a_message_without_a_type_lists_the_operations(sender):
    refused = refusal(type="", **sender)

    assert refused.code is Code.NOT_UNDERSTOOD
    assert refused.message.startswith("property type: expected the name of the operation, one of ")
    assert all(name in refused.message for name in OPERATIONS)
    assert len(refused.message) < REASON_LIMIT


@pytest.mark.parametrize(
    "name", ["update_controller_replica", "UpdateControllerReplicas", "x" * 255]
)
def test_the_refusal_of_an_unknown_type_lists_the_operations(name):
    refused = refusal(type=name, **as_event())

    assert refused.code is Code.NOT_UNDERSTOOD
    assert name[:70] in refused.message
    assert "set_machine_labels" in refused.message
    assert len(refused.message) < REASON_LIMIT


def test_the_refusal_of_a_misspelt_type_names_the_nearest_operation():
    assert refusal(type="aply_secret").message.endswith("; did you mean apply_secret?")


COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": lambda body: b"\x28\xb5\x2f\xfd" + body,
}


@pytest.mark.parametrize("encoding", [None, "gzip"])
@pytest.mark.parametrize("name", COMPRESSED)
def test_the_refusal_of_a_compressed_body_names_the_compression(name, encoding):
    body = COMPRESSED[name](b'{"scope":"default","name":"hello","replicas":2}')
    refused = refusal(body=body, content_encoding=encoding, **as_event())

    assert refused.code is Code.INVALID
    assert f"got a body that is compressed with {name}: send it uncompressed" in refused.message


@pytest.mark.parametrize(
    ("properties", "hint"),
    [
        ({"content_encoding": "br"}, "its properties say content_encoding 'br'"),
        ({"content_type": "application/x-msgpack"}, "say content_type 'application/x-msgpack'"),
        ({"content_type": "text/plain", "content_encoding": "utf-8"}, "content_type 'text/plain'"),
    ],
)
def test_the_refusal_of_an_unreadable_body_shows_its_declared_encoding(properties, hint):
    message = refusal(body=b"\x8b\x03", **properties, **as_event()).message

    assert message.startswith("expected a JSON object, got ")
    assert hint in message


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", "{".encode("utf-16")])
def test_the_refusal_of_a_body_in_another_encoding_names_the_encoding(start):
    assert "invalid character" not in refusal(body=start + b"{}").message


@pytest.mark.parametrize("encoding", ["utf-8", "identity", "binary", ""])
def test_json_is_read_with_any_declared_content_type_and_encoding(encoding):
    assert examined(content_encoding=encoding, content_type="text/json") == SCALE
