"""The bytes of a publish are read by the library as the message that was published."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import frame
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from contracts.broker.publishing import frames
from contracts.wire import Message

FRAME_MAX = 131_072
texts = st.text(max_size=60)

messages = st.builds(
    Message,
    exchange=texts,
    key=texts,
    body=st.binary(max_size=300),
    type=texts,
    message_id=texts,
    content_type=texts,
    content_encoding=st.none() | texts,
    correlation_id=st.none() | texts,
    reply_to=st.none() | texts,
    expiration=st.none() | st.integers(0, 2**40),
    # The library reads larger numbers as milliseconds.
    timestamp=st.none() | st.integers(0, 2**32 - 1),
    app_id=st.none() | texts,
    user_id=st.none() | texts,
    persistent=st.booleans(),
    headers=st.dictionaries(texts, texts | st.integers(-(2**63), 2**63 - 1)),
)


def read(encoded: bytes) -> list[Any]:
    """Return the frames, each of which is on channel 7."""
    found = []
    while encoded:
        size, channel, each = frame.unmarshal(encoded)
        assert channel == 7
        found.append(each)
        encoded = encoded[size:]
    return found


@given(messages, st.booleans())
def test_a_message_is_read_as_it_was_published(message: Message, mandatory: bool) -> None:
    method, header, *bodies = read(frames(message, 7, FRAME_MAX, mandatory=mandatory))

    assert isinstance(method, Basic.Publish)
    assert isinstance(header, ContentHeader)
    sent = (method.exchange, method.routing_key, method.mandatory, method.immediate)
    assert sent == (message.exchange, message.key, mandatory, False)
    found = header.properties
    assert header.body_size == len(message.body)
    assert b"".join(each.value for each in bodies) == message.body
    assert found.headers == (message.headers or None)
    assert found.delivery_mode == (2 if message.persistent else 1)
    assert found.expiration == (None if message.expiration is None else str(message.expiration))
    assert message.timestamp == (found.timestamp and int(found.timestamp.timestamp()))
    assert found.message_type == (message.type or None)
    for name in ("message_id", "content_type", "content_encoding", "correlation_id", "reply_to"):
        assert getattr(found, name) == (getattr(message, name) or None)
    assert (found.app_id, found.user_id) == (message.app_id or None, message.user_id or None)


@pytest.mark.parametrize("size", [1, 91, 92, 93, 184, 185])
def test_a_body_is_split_at_the_largest_frame(size: int) -> None:
    message = Message(exchange="e", key="k", body=b"x" * size, type="t", message_id="m")
    _, _, *bodies = read(frames(message, 7, 100, mandatory=True))

    assert all(isinstance(each, ContentBody) for each in bodies)
    assert [len(each.value) for each in bodies] == [92] * (size // 92) + [size % 92] * (
        size % 92 > 0
    )


def test_without_a_limit_of_frames_a_body_is_one_frame() -> None:
    message = Message(exchange="e", key="k", body=b"x" * 300, type="t", message_id="m")
    _, _, body = read(frames(message, 7, 0, mandatory=True))

    assert body.value == message.body


def test_a_header_of_another_program_is_kept() -> None:
    message = Message(
        exchange="e", key="k", body=b"", type="t", message_id="m", headers={"flag": True}
    )
    _, header = read(frames(message, 7, FRAME_MAX, mandatory=True))

    assert header.properties.headers == {"flag": True}


def test_a_name_that_is_too_long_is_refused() -> None:
    message = Message(exchange="e", key="k" * 256, body=b"", type="t", message_id="m")

    with pytest.raises(ValueError, match="at most 255 bytes, got 256"):
        frames(message, 7, FRAME_MAX, mandatory=True)
