"""Spans of messages: the publish, the wait in the broker, and the processing in a worker.

The attributes follow OpenTelemetry's conventions for messaging and RabbitMQ. `machinist.address`
contains names and scopes, which belong into a trace and not into a metric.
"""

import msgspec

from contracts import outcomes
from contracts.address import is_provider_name
from contracts.api import OPERATIONS
from contracts.observation import trace_context, traces
from contracts.observation.spans import NO_SPAN, Attributes, Kind, Span
from contracts.topology import PARTITION_TTL_MS, QUERIES
from contracts.wire import Message


def sending(message: Message) -> Span:
    """Return the span of a publish until its confirm; `propagating` puts it into the message."""
    tracer = traces.tracer()
    if tracer is None:
        return NO_SPAN
    parent = trace_context.of_message(message.headers)
    name, attributes = _name(message), _attributes(message, "send")
    return tracer.start(f"send {name}", Kind.PRODUCER, attributes, parent)


def propagating(message: Message) -> Message:
    """Return the message with the context of the current span in its headers."""
    headers = traces.headers()
    if not headers:
        return message
    return msgspec.structs.replace(message, headers=message.headers | headers)


def processing(message: Message, delivered_at: float, *, redelivered: bool = False) -> Span:
    """Return the span of a run, a child of the wait in the broker, which is recorded as a span too.

    `delivered_at` is in seconds of the Unix epoch. The wait begins at the publisher's clock.
    """
    tracer = traces.tracer()
    if tracer is None:
        return NO_SPAN
    name = _name(message)
    again: Attributes = {"machinist.redelivered": redelivered or None}
    wait = tracer.record(
        f"wait {name}",
        Kind.CONSUMER,
        {**_attributes(message, "receive"), **again},
        trace_context.of_message(message.headers),
        (_published_at(message, delivered_at), delivered_at),
    )
    attributes = {**_attributes(message, "process"), **again}
    return tracer.start(f"process {name}", Kind.CONSUMER, attributes, wait)


def address_in(message: Message) -> str:
    """Return the address in the routing key of a query or command; keys are untrusted input."""
    if message.exchange == QUERIES:
        return message.key.partition(".")[2]
    return outcomes.claimed_address(message.key)


def _name(message: Message) -> str:
    """Return the operation, for the name of a span; its values must be few."""
    return message.type if message.type in OPERATIONS else "unknown operation"


def _attributes(message: Message, action: str) -> Attributes:
    provider = message.key.partition(".")[0]
    return {
        "messaging.system": "rabbitmq",
        "messaging.operation.type": action,
        "messaging.operation.name": action,
        "messaging.destination.name": message.exchange,
        "messaging.rabbitmq.destination.routing_key": message.key,
        "messaging.message.id": message.message_id or None,
        "messaging.message.body.size": len(message.body),
        "machinist.operation": message.type,
        "machinist.provider": provider if is_provider_name(provider) else None,
        "machinist.address": address_in(message),
    }


def _published_at(message: Message, delivered_at: float) -> float:
    """Return the time of publishing, as far as the message says it and a queue allows it.

    The message has whole milliseconds, rounded down. They are rounded up here, so that a wait does
    not begin before the publish.
    """
    asked = outcomes.asked(message)
    if asked is None:
        return delivered_at
    earliest = delivered_at - PARTITION_TTL_MS / 1000
    return min(max(asked.timestamp() + 0.001, earliest), delivered_at)
