"""One log line for each command and query, and the result in the span of its run.

The loggers have names of their own, so that their lines can be selected in every process.
"""

import logging
from collections.abc import Mapping
from datetime import datetime

from contracts import outcomes
from contracts.observation import trace_context, traces
from contracts.observation.logs import log_fields
from contracts.observation.messaging import address_in
from contracts.observation.spans import NO_SPAN
from contracts.outcomes import Outcome
from contracts.wire import HEADER_REQUESTED_BY, Message, Reply, problem_code

COMMANDS = logging.getLogger("machinist.commands")
QUERIES = logging.getLogger("machinist.queries")


def command_ended(outcome: Outcome, headers: Mapping[str, object]) -> None:
    """Log the final outcome of a command; `headers` are those of its message."""
    code = None if outcome.fault is None else outcome.fault.code
    span = traces.current()
    span.set("machinist.result", outcome.result)
    if code is not None:
        span.fail(code)
    if not COMMANDS.isEnabledFor(logging.INFO):
        return
    begun = outcome.started or outcome.finished
    fields = {
        "commandId": outcome.id,
        "traceId": _trace_id(headers),
        "requestedBy": outcome.requested_by,
        "provider": outcome.provider,
        "operation": outcome.operation,
        "address": outcome.address,
        "result": outcome.result,
        "status": outcome.status,
        "code": code,
        "queuedMs": _milliseconds(outcome.asked, begun),
        "runMs": _milliseconds(outcome.started, outcome.finished),
    }
    log_fields(COMMANDS, logging.INFO, f"command {outcome.result}", fields)


def query_answered(message: Message, provider: str, reply: Reply, delivered_at: float) -> None:
    """Log the reply to a query, at debug level; `delivered_at` is in seconds of the Unix epoch."""
    is_logged = QUERIES.isEnabledFor(logging.DEBUG)
    span = traces.current()
    if not is_logged and span is NO_SPAN:
        return
    code = problem_code(reply.body, reply.content_type)
    if code is not None:
        span.fail(code)
    if not is_logged:
        return
    began = outcomes.at(delivered_at)
    fields = {
        "queryId": message.message_id,
        "traceId": _trace_id(message.headers),
        "requestedBy": _client(message),
        "provider": provider,
        "operation": message.type,
        "address": address_in(message),
        "status": reply.status,
        "code": code,
        "queuedMs": _milliseconds(outcomes.asked(message), began),
        "runMs": _milliseconds(began, outcomes.now()),
    }
    log_fields(QUERIES, logging.DEBUG, "query answered", fields)


def _client(message: Message) -> str | None:
    """Return the client of the gateway: only gateways may publish queries."""
    client = message.headers.get(HEADER_REQUESTED_BY)
    return client if isinstance(client, str) else None


def _trace_id(headers: Mapping[str, object]) -> str | None:
    context = traces.current().context or trace_context.of_message(headers)
    return None if context is None else context.trace_id


def _milliseconds(since: datetime | None, until: datetime | None) -> int | None:
    """Return a duration, not below zero: the first time may be of another machine's clock."""
    if since is None or until is None:
        return None
    return max(0, round((until - since).total_seconds() * 1000))
