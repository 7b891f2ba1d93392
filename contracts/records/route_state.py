"""The state of an HTTPRoute as texts, as the audit has it: host names, rules and backends; pure."""

import re
from typing import Any

from contracts.resources import Object

TEXT_LIMIT = 160
"""The limit of characters in a text that is composed, such as a rule."""

SENSITIVE = re.compile(r"auth|cookie|credential|key|passw|secret|session|token", re.IGNORECASE)
PINNED = re.compile(r"\(\.\*;\\s\*\)\?(?P<cookie>[^()]*)\(\\s\*;\.\*\)\?")
"""The header match that a route plan uses for a cookie."""
EVERYTHING = "/"


def route_state(route: Object) -> Object:
    """Return host names, rules and backends of an HTTPRoute; unexpected members are skipped."""
    spec = member(route, "spec")
    hostnames = spec.get("hostnames") or []
    rules = objects(spec, "rules")
    backends = [name for rule in rules for name in _backends(rule)]
    return {
        "hostnames": [plain(str(each)) for each in hostnames] if type(hostnames) is list else [],
        "rules": [_rule(rule) for rule in rules],
        "backends": list(dict.fromkeys(backends)),
    }


def pair(name: str, value: str) -> str:
    """Return `name=value` of a header or query parameter, without a sensitive value."""
    return plain(name if SENSITIVE.search(name) else f"{name}={value}")


def plain(text: str) -> str:
    """Return the first 160 printable characters of a text."""
    return "".join(char for char in text if char.isprintable())[:TEXT_LIMIT]


def member(found: Object, *keys: str) -> Object:
    """Return a nested object, or an empty one."""
    part: Any = found
    for key in keys:
        part = part.get(key) if isinstance(part, dict) else None
    return part if isinstance(part, dict) else {}


def objects(found: Object, key: str) -> list[Object]:
    """Return the objects in a list, none if it is absent."""
    listed = found.get(key)
    entries = listed if isinstance(listed, list) else []
    return [each for each in entries if isinstance(each, dict)]


def _rule(rule: Object) -> str:
    """Return a rule as text, such as `header x-version=v6: orders-v6`."""
    matches = [_match(each) for each in objects(rule, "matches")] or ["default"]
    return plain(f"{' or '.join(matches)}: {', '.join(_backends(rule))}")


def _match(match: Object) -> str:
    path, method = member(match, "path").get("value"), match.get("method")
    parts = [f"method {method}"] if method else []
    parts += [f"path {path}"] if path not in (None, EVERYTHING) else []
    parts += [_header(each) for each in objects(match, "headers")]
    parts += [f"queryParam {_pair(each)}" for each in objects(match, "queryParams")]
    return " and ".join(parts) or "default"


def _header(header: Object) -> str:
    pinned = PINNED.fullmatch(str(header.get("value")))
    if pinned and str(header.get("name")).lower() == "cookie":
        name, _, value = _unescaped(pinned["cookie"]).partition("=")
        return f"cookie {pair(name, value)}"
    return f"header {_pair(header)}"


def _unescaped(pattern: str) -> str:
    return re.sub(r"\\(.)", r"\1", pattern)


def _pair(match: Object) -> str:
    return pair(str(match.get("name")), str(match.get("value")))


def _backends(rule: Object) -> list[str]:
    names = (each.get("name") for each in objects(rule, "backendRefs"))
    return [plain(name) for name in names if isinstance(name, str)]
