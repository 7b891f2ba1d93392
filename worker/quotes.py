"""Takes out of a platform's words what they quote of a body that travelled sealed.

A platform explains itself with the values that it refuses: `env[0].value: Invalid value: "…"`. Its
words are worth passing on, the values are not: reply and outcome are open for operators to read.
In our own words a value stands in quotation marks and nowhere else, so that the words stay whole
where a value of the body happens to be one of them.
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
from contracts.summary import summary_of

HIDDEN = "(not shown)"
UNKNOWN = "why is not passed on: it may quote the body, which is too large to look for it"
RUN = 8
"""So many characters in a row that a value has too are a quotation of it, cut off or not."""

MOST_COMPARED = 200_000
WORD = re.compile(r"[\w.-]+")
KIND = re.compile(r"([A-Z][a-z]+)+")
NAMES = frozenset({"imagePullPolicy", "key", "kind", "name", "namespace", "protocol", "type"})
"""Members of the parts of a controller that name something, or choose one of a few words."""
NAME = re.compile(r"[a-z0-9./-]{1,63}|[A-Z][A-Za-z]{0,62}|[\w.,+-]{1,16}")
"""What names and quantities look like; anything else there may be a secret in the wrong place."""
QUANTITIES = frozenset({"limits", "requests"})
MAPS = frozenset({"annotations", "data", "stringData"})
"""Members whose own members the caller names: a `name` among them may be a secret."""
OUR_WORDS = frozenset({"Kubernetes", "AWS"})
"""Said around a platform's words: a value may have them too."""
PLAIN = re.compile(
    r"[+-]?[0-9]{1,5}(\.[0-9]{1,3})?([mkMGTPE]|[KMGTPE]i)?|true|false|.{0,2}", re.DOTALL
)
"""Short numbers, quantities, truths and what has two characters: no secret, and in any sentence."""

OWN_CODES = frozenset({Code.INVALID, Code.UNSUPPORTED})
"""What is refused before a platform is asked; the fault of a platform is of a class of its own."""

ESCAPE = re.compile("%[0-9A-F]{2}")
MARKS = tuple(product(('"', "&quot;", "&#34;"), ("'", "&#39;", "&#x27;", "&apos;")))
"""Quotation marks in HTML and XML, as programs of several languages write them."""

QUOTED = re.compile(
    r"""(?<!\w)(?P<mark>['"])(\\.|(?!(?P=mark))[^\\])*?((?P=mark)(?!\w)|…)""", re.DOTALL
)
"""A value in our own words, in full or cut off."""


def without_quotes(fault: Fault, operation: Operation[Any]) -> Fault:
    """The fault as anybody may read it; names and kinds, which addresses tell as well, stay."""
    if not operation.row.seal:
        return fault
    if _is_own(fault):
        words = QUOTED.sub(lambda found: redacted(found[0], operation, HIDDEN), fault.message)
    else:
        words = redacted(fault.message, operation)
    return Fault(fault.code, words, retry_after=fault.retry_after)


def redacted(words: str, operation: Operation[Any], instead: str = UNKNOWN) -> str:
    """The words of a platform about an operation without quotations of its sealed body.

    `instead` stands for the words if the body is too large to look for them in it.
    """
    if not operation.row.seal:
        return words
    body = getattr(operation, str(operation.row.body))
    public = {operation.scope, address.subject(operation) or "", *OUR_WORDS}
    if isinstance(kind := body.get("kind"), str) and KIND.fullmatch(kind):
        public.add(kind)
    public.update(filter(NAME.fullmatch, _names(body)))
    hidden = set(_texts(body)) - public - _told(operation)
    values = {value for value in hidden if not _is_plain(value)}
    if sum(map(len, values)) > MOST_COMPARED:
        return instead
    return _hidden(words, values, public, set(_keys(body)))


def _names(body: dict[str, Any]) -> Iterator[str]:
    """Return what the parts of a controller or workload are called, and its quantities.

    The body's own members are left out: a secret whose `data` is misspelt has any.
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
    """Return the names of all members: `unknown field "metadata.label"` names nothing else."""
    if isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from _keys(each)
    elif isinstance(value, list):
        for each in value:
            yield from _keys(each)


def _is_own(fault: Fault) -> bool:
    """Tell whether every word of a fault is ours: nothing that a platform said led to it."""
    if type(fault) is not Fault or fault.code not in OWN_CODES:
        return False
    cause = fault.__cause__ or fault.__context__
    while cause is not None:
        if isinstance(cause, Fault):
            return False
        cause = cause.__cause__ or cause.__context__
    return True


def _told(operation: Operation[Any]) -> set[str]:
    """The values of a body that its summary in the audit shows to everybody."""
    told = summary_of(operation)
    return {*told.images, *told.labels.values(), *told.environment, *told.secret_keys}


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
    """The words with every quotation of a value, in whatever spelling, replaced."""
    hides = bytearray(len(words))
    runs = {words[at : at + RUN] for at in range(len(words) - RUN + 1)}
    for spelling in {each for value in values for each in _spellings(value)}:
        if len(spelling) < RUN:
            pattern = rf"(?<!\w){re.escape(spelling)}(?!\w)"
        else:
            quoted = runs.intersection(
                spelling[at : at + RUN] for at in range(len(spelling) - RUN + 1)
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
    """A value as platforms and programs write it; of one in base64 also what it says."""
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
    for before in range(3):  # of a longer text it looks different, after where it lies in it
        yield base64.b64encode(bytes(before) + raw).decode()
    yield raw.hex()
    try:
        yield base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return
