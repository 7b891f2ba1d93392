"""Query parameters: what an operation reads of them, what it refuses, and what it ignores.

A filter that is silently ignored lists, scales or deletes the wrong thing, so whatever looks like
one is refused. Other parameters are ignored: the control plane sends a controller's provider
metadata as flat parameters to every platform.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from contracts.api import OPERATIONS
from contracts.faults import Code, Fault
from contracts.operation import Operation
from contracts.validation import SHOWN, nearest, show

LABELS = "labels"
HINTS = frozenset({"kind", "apiVersion"})
"""Provider metadata: an operation that has no use for it ignores it."""

MOST = 256
"""Parameters of a request."""

USE_LABELS = "expected labels=key=value, once for each label"
NO_DRY_RUN = "expected no such parameter: what is accepted is done"
AS_THE_PLATFORM_DOES = "expected no such parameter: it deletes as the platform does by itself"
NO_FORCE = "expected no such parameter: nothing is forced"

REFUSED = {
    "selector": USE_LABELS,
    "labelselector": USE_LABELS,
    "fieldselector": USE_LABELS,
    "dryrun": NO_DRY_RUN,
    "propagationpolicy": AS_THE_PLATFORM_DOES,
    "orphandependents": AS_THE_PLATFORM_DOES,
    "graceperiodseconds": AS_THE_PLATFORM_DOES,
    "graceperiod": AS_THE_PLATFORM_DOES,
    "cascade": AS_THE_PLATFORM_DOES,
    "force": NO_FORCE,
}
"""Parameters of Kubernetes' API and flags of kubectl that change what is read or done, in
lower-case letters.
"""

ALIKE = 0.75
"""`lables` and `lbls` are so much alike to `labels`, `tables` and `levels` are not."""

NO_MISSPELLING = frozenset({"version"})
"""As much alike to one of our names as a slip is, and a word of its own in provider metadata."""

STEMS = {"label": LABELS, "machine": "machineId"}
"""How the names of our filters begin, however the rest is written."""


def own_parameters(operation: type[Operation[Any]]) -> frozenset[str]:
    """Return the query parameters that an operation has."""
    row = operation.row
    bound = {row.body, *row.body, *row.path_fields}
    fields = msgspec.structs.fields(operation)
    return frozenset(field.encode_name for field in fields if field.name not in bound)


FILTERS = frozenset[str]().union(*map(own_parameters, OPERATIONS.values())) - HINTS


def values_of(query_string: bytes, own: frozenset[str]) -> dict[str, Any]:
    """Return the values of an operation's own parameters by their JSON names."""
    text = query_string.decode("latin-1")
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST)
    except UnicodeDecodeError as error:
        raise Fault(Code.INVALID, "query: expected percent-encoded UTF-8") from error
    except ValueError as error:
        raise Fault(Code.INVALID, f"query: expected at most {MOST} parameters") from error
    values: dict[str, Any] = {}
    for written, value in pairs:
        name = written.removesuffix("[]")
        if name not in own:
            if reason := misread(name[:SHOWN], own):
                raise Fault(Code.INVALID, f"{_shown(written)}: {reason}")
        elif name == LABELS:
            _add_label(values.setdefault(LABELS, {}), value)
        elif values.setdefault(name, value) != value:
            raise Fault(Code.INVALID, f"{name}: expected one value, got two")
    return values


@lru_cache(1024)
def misread(name: str, own: frozenset[str]) -> str | None:
    """Return what is wrong with a parameter that the operation does not have.

    None means that it is none of ours, and ignored.
    """
    plain = re.sub(r"[^a-z]", "", name.lower())
    if reason := REFUSED.get(plain):
        return reason
    if plain in NO_MISSPELLING:
        return None
    meant = next((each for each in sorted(own) if plain.startswith(each.lower())), None)
    meant = meant or next((each for stem, each in STEMS.items() if plain.startswith(stem)), None)
    meant = meant or nearest(plain, FILTERS | own, ALIKE)
    if meant is None:
        near = nearest(plain, REFUSED, ALIKE)
        return None if near is None else REFUSED[near]
    if meant in own:
        return USE_LABELS if meant == LABELS else f"expected {meant}"
    return f"expected {_listed(own)}: the operation does not filter by {meant}"


def _listed(names: Collection[str]) -> str:
    return " or ".join(sorted(names)) if names else "no parameter"


def _shown(name: str) -> str:
    return name if re.fullmatch(r"[\w\[\].-]{1,40}", name, re.ASCII) else show(name)


def _add_label(labels: dict[str, str], entry: str) -> None:
    """Take in one `key=value`; only the first `=` divides."""
    key, equals, value = entry.partition("=")
    if not equals or not key:
        raise Fault(Code.INVALID, f"labels: expected key=value, got {show(entry)}")
    if labels.setdefault(key, value) != value:
        raise Fault(Code.INVALID, f"labels: expected one value for {show(key)}, got two")
