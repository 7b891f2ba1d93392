"""Redaction: removes the values of a sealed body from a platform's error messages.

A platform quotes the values that it rejects: `env[0].value: Invalid value: "…"`. The message is
passed on without these values, since operators can read replies and outcomes. Our own messages
contain values only in quotation marks, so only quoted text is redacted: a word of our message stays
even if the body contains it as a value.
"""

import base64
import binascii
import html
import json
import re
from collections.abc import Iterator
from itertools import product
from typing import Any
from urllib.parse import quote

import msgspec

from contracts import address
from contracts.faults import Code, Fault
from contracts.operation import Operation
from contracts.records.summary import summary_of

HIDDEN = "(not shown)"
UNKNOWN = (
    "the platform's message is not shown: it may quote the body, which is too large to compare"
)
QUOTATION_LENGTH = 8
"""The length from which a common substring counts as a quotation of a value."""

MAX_COMPARED = 200_000
WORD = re.compile(r"[\w.-]+")
KIND = re.compile(r"([A-Z][a-z]+)+")
NAMES = frozenset({"imagePullPolicy", "key", "kind", "name", "namespace", "protocol", "type"})
"""Members in the parts of a controller that hold a name or a fixed word."""
NAME = re.compile(r"[a-z0-9./-]{1,63}|[A-Z][A-Za-z]{0,62}|[\w.,+-]{1,16}")
"""The pattern of names and quantities; any other value there may be a misplaced secret."""
QUANTITIES = frozenset({"limits", "requests"})
MAPS = frozenset({"annotations", "data", "stringData"})
"""Members whose keys the caller chooses: a key `name` in them may hold a secret."""
OUR_WORDS = frozenset({"Kubernetes", "AWS"})
"""Words that we add to a platform's message; a value that equals one of them is not hidden."""
PLAIN = re.compile(
    r"[+-]?[0-9]{1,5}(\.[0-9]{1,3})?([mkMGTPE]|[KMGTPE]i)?|true|false|.{0,2}", re.DOTALL
)
"""Short numbers, quantities, booleans and texts of two characters: not secret, and common words."""

OWN_CODES = frozenset({Code.INVALID, Code.UNSUPPORTED})
"""Codes of faults raised before any platform call; platform faults have classes of their own."""

ESCAPE = re.compile("%[0-9A-F]{2}")
MARKS = tuple(product(('"', "&quot;", "&#34;"), ("'", "&#39;", "&#x27;", "&apos;")))
"""Quotation marks as programs of several languages escape them in HTML and XML."""

QUOTED = re.compile(
    r"""(?<!\w)(?P<mark>['"])(\\.|(?!(?P=mark))[^\\])*?((?P=mark)(?!\w)|…)""", re.DOTALL
)
"""A quoted value in our own messages, complete or truncated."""


def redact(fault: Fault, operation: Operation[Any]) -> Fault:
    """Return a fault without the values of a sealed body; names and kinds stay."""
    if not operation.row.seal:
        return fault
    if _is_own(fault):
        words = QUOTED.sub(lambda found: redact_text(found[0], operation, HIDDEN), fault.message)
    else:
        words = redact_text(fault.message, operation)
    return Fault(fault.code, words, retry_after=fault.retry_after)


def redact_text(words: str, operation: Operation[Any], instead: str = UNKNOWN) -> str:
    """Return a platform's message about an operation without the values of its sealed body.

    `instead` replaces the message if the body is too large for the comparison.
    """
    if not operation.row.seal:
        return words
    body = getattr(operation, str(operation.row.body))
    public = {operation.scope, address.subject(operation) or "", *OUR_WORDS}
    if isinstance(kind := body.get("kind"), str) and KIND.fullmatch(kind):
        public.add(kind)
    public.update(filter(NAME.fullmatch, _names(body)))
    hidden = set(_texts(body)) - public - _audited(operation)
    values = {value for value in hidden if not _is_plain(value)}
    if sum(map(len, values)) > MAX_COMPARED:
        return instead
    return _hidden(words, values, public, set(_keys(body)))


def _names(body: dict[str, Any]) -> Iterator[str]:
    """Yield the names in the parts of a controller or workload, and its quantities.

    The top-level members are left out: in a secret, a misspelt `data` may have any name.
    """
    for part in ("spec", "resources"):
        yield from _named_below(body.get(part))


def _named_below(value: Any) -> Iterator[str]:
    yield from _named(value)
    if isinstance(value, dict):
        for key, each in value.items():
            if key not in MAPS:
                yield from _named_below(each)
    elif isinstance(value, list):
        for each in value:
            yield from _named_below(each)


def _named(value: Any) -> Iterator[str]:
    for key, each in value.items() if isinstance(value, dict) else ():
        if key in NAMES and isinstance(each, str):
            yield each
        elif key in QUANTITIES:
            yield from _texts(each)


def _keys(value: Any) -> Iterator[str]:
    """Yield the names of all members, as in `unknown field "metadata.label"`."""
    if isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from _keys(each)
    elif isinstance(value, list):
        for each in value:
            yield from _keys(each)


def _is_own(fault: Fault) -> bool:
    """Tell whether a fault has no text of a platform in its message."""
    if type(fault) is not Fault or fault.code not in OWN_CODES:
        return False
    cause = fault.__cause__ or fault.__context__
    while cause is not None:
        if isinstance(cause, Fault):
            return False
        cause = cause.__cause__ or cause.__context__
    return True


def _audited(operation: Operation[Any]) -> set[str]:
    """Return the values of a body that its summary in the audit shows."""
    summary = summary_of(operation)
    return {*summary.images, *summary.labels.values(), *summary.environment, *summary.secret_keys}


def _is_plain(value: str) -> bool:
    return PLAIN.fullmatch(value) is not None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _hidden(words: str, values: set[str], public: set[str], keys: set[str]) -> str:
    """Replace every quotation of a value in a message, in any encoding."""
    hides = bytearray(len(words))
    length = QUOTATION_LENGTH
    substrings = {words[at : at + length] for at in range(len(words) - length + 1)}
    for spelling in {each for value in values for each in _spellings(value)}:
        if len(spelling) < length:
            pattern = rf"(?<!\w){re.escape(spelling)}(?!\w)"
        else:
            quoted = substrings.intersection(
                spelling[at : at + length] for at in range(len(spelling) - length + 1)
            )
            pattern = f"(?=({'|'.join(map(re.escape, quoted))}))" if quoted else ""
        for found in re.finditer(pattern, words) if pattern else ():
            start, end = found.span(found.lastindex or 0)
            hides[start:end] = b"\1" * (end - start)
    for word in WORD.finditer(words):
        if word[0] in public or keys.issuperset(word[0].strip(".").split(".")):
            hides[word.start() : word.end()] = bytes(len(word[0]))
    return _cut(words, hides)


def _cut(words: str, hides: bytearray) -> str:
    parts: list[str] = []
    for found in re.finditer(b"\0+|\1+", hides):
        parts.append(HIDDEN if hides[found.start()] else words[found.start() : found.end()])
    return "".join(parts)


def _spellings(value: str) -> Iterator[str]:
    """Yield the encodings of a value, and the decoded text of a base64 value."""
    if not value:
        return
    raw = value.encode(errors="surrogatepass")
    yield value
    yield json.dumps(value)[1:-1]
    yield msgspec.json.encode(value).decode()[1:-1]
    yield ascii(value)[1:-1]
    in_url = quote(raw, safe="")
    yield in_url
    yield ESCAPE.sub(lambda found: found[0].lower(), in_url)
    unquoted = html.escape(value, quote=False)
    for double, single in MARKS:
        yield unquoted.replace('"', double).replace("'", single)
    for before in range(3):  # base64 depends on the offset modulo 3: all alignments are tried
        yield base64.b64encode(bytes(before) + raw).decode()
    yield raw.hex()
    try:
        yield base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return
