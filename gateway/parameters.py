"""Query parameters: those of an operation are read, misspelt filters refused, others ignored.

An ignored filter would list, scale or delete the wrong resource, so any parameter that resembles a
filter is refused. Other parameters are ignored: the control plane sends a controller's provider
metadata as flat parameters to every platform.
"""

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from contracts.api import OPERATIONS
from contracts.checks.validation import SHOWN, nearest, show
from contracts.faults import Code, Fault
from contracts.operation import Operation

LABELS = "labels"
HINTS = frozenset({"kind", "apiVersion"})
"""Provider metadata: an operation without these parameters ignores them."""

MAX_PARAMETERS = 256

USE_LABELS = "expected labels=key=value, once for each label"
NO_DRY_RUN = "expected no such parameter: what is accepted is done"
NO_DELETE_OPTIONS = "expected no such parameter: it deletes as the platform does by itself"
NO_FORCE = "expected no such parameter: nothing is forced"

REFUSED = {
    "selector": USE_LABELS,
    "labelselector": USE_LABELS,
    "fieldselector": USE_LABELS,
    "dryrun": NO_DRY_RUN,
    "propagationpolicy": NO_DELETE_OPTIONS,
    "orphandependents": NO_DELETE_OPTIONS,
    "graceperiodseconds": NO_DELETE_OPTIONS,
    "graceperiod": NO_DELETE_OPTIONS,
    "cascade": NO_DELETE_OPTIONS,
    "force": NO_FORCE,
}
"""Parameters of the Kubernetes API and flags of kubectl that change the result or the effect, in
lower-case letters without separators.
"""

SIMILARITY = 0.75
"""The similarity of a misspelling: `lables` and `lbls` to `labels`, not `tables` or `levels`."""

NOT_MISSPELT = frozenset({"version"})
"""A name of provider metadata, although it is as similar to `apiVersion` as a misspelling."""

STEMS = {"label": LABELS, "machine": "machineId"}
"""Filters by the stem of their name, whatever follows the stem."""


def own_parameters(operation: type[Operation[Any]]) -> frozenset[str]:
    """Return the query parameters of an operation."""
    row = operation.row
    bound = {row.body, *row.body, *row.path_fields}
    fields = msgspec.structs.fields(operation)
    return frozenset(field.encode_name for field in fields if field.name not in bound)


FILTERS = frozenset[str]().union(*map(own_parameters, OPERATIONS.values())) - HINTS


def values_of(query_string: bytes, own: frozenset[str]) -> dict[str, Any]:
    """Return the values of an operation's parameters by their JSON names."""
    text = query_string.decode("latin-1")
    if not text:
        return {}
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS
        )
    except UnicodeDecodeError as error:
        raise Fault(Code.INVALID, "query: expected percent-encoded UTF-8") from error
    except ValueError as error:
        raise Fault(Code.INVALID, f"query: expected at most {MAX_PARAMETERS} parameters") from error
    values: dict[str, Any] = {}
    for written, value in pairs:
        name = written.removesuffix("[]")
        if name not in own:
            if reason := refusal(name[:SHOWN], own):
                raise Fault(Code.INVALID, f"{_shown(written)}: {reason}")
        elif name == LABELS:
            add_label(values.setdefault(LABELS, {}), value)
        elif values.setdefault(name, value) != value:
            raise Fault(Code.INVALID, f"{name}: expected one value, got two")
    return values


@lru_cache(1024)
def refusal(name: str, own: frozenset[str]) -> str | None:
    """Return why an unknown parameter of an operation is refused; None to ignore it."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    if reason := REFUSED.get(plain):
        return reason
    if plain in NOT_MISSPELT:
        return None
    meant = next((each for each in sorted(own) if plain.startswith(each.lower())), None)
    meant = meant or next((each for stem, each in STEMS.items() if plain.startswith(stem)), None)
    meant = meant or nearest(plain, FILTERS | own, SIMILARITY)
    if meant is None:
        near = nearest(plain, REFUSED, SIMILARITY)
        return None if near is None else REFUSED[near]
    if meant in own:
        return USE_LABELS if meant == LABELS else f"expected {meant}"
    return f"expected {_listed(own)}: the operation does not filter by {meant}"


def _listed(names: Collection[str]) -> str:
    return " or ".join(sorted(names)) if names else "no parameter"


def _shown(name: str) -> str:
    return name if re.fullmatch(r"[\w\[\].-]{1,40}", name, re.ASCII) else show(name)


def add_label(labels: dict[str, str], entry: str) -> None:
    """Add one `key=value`; only the first `=` separates."""
    key, equals, value = entry.partition("=")
    if not equals or not key:
        raise Fault(Code.INVALID, f"labels: expected key=value, got {show(entry)}")
    if labels.setdefault(key, value) != value:
        raise Fault(Code.INVALID, f"labels: expected one value for {show(key)}, got two")
