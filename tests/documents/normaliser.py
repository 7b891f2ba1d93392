"""Replaces variable ids, times and addresses in a recording by constant values."""

import re
from collections.abc import Callable
from typing import Any

OMITTED = "managedFields"
"""Kubernetes bookkeeping that would only lengthen an example."""

MOMENT = "2026-01-02T03:04:05Z"

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_HEX = re.compile(r"(?<![0-9a-z])([0-9a-f]{64}|[0-9a-f]{32}|[0-9a-f]{16})(?![0-9a-z])")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
_GENERATED = re.compile(r"(?<=-)([bcdfghjklmnpqrstvwxz2456789]{8,10}-[a-z0-9]{5})\b")
_ACCOUNT = re.compile(r"\b1234567890\d\d\b")
"""The AWS sandbox has a new account after each reset."""

_LOCAL = re.compile(r"https?://127\.0\.0\.1:\d+")
_CLUSTER_IP = re.compile(r"\b10\.\d+\.\d+\.\d+\b")


class Normaliser:
    """Replaces equal values by the same constant, numbered in order of appearance."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def __call__(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {
                self._text(key): "1001" if key == "resourceVersion" else self(each)
                for key, each in value.items()
                if key != OMITTED
            }
        if isinstance(value, list):
            return [self(each) for each in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        text = _TIME.sub(MOMENT, text)
        text = _UUID.sub(self._numbered(lambda n, _: f"5e1f0000-0000-4000-8000-{n:012x}"), text)
        text = _HEX.sub(self._numbered(lambda n, old: f"{n:x}".rjust(len(old), "a")), text)
        text = _GENERATED.sub(self._numbered(lambda n, _: f"7d4b9c8f6d-x2x{n:02d}"), text)
        text = _CLUSTER_IP.sub(self._numbered(lambda n, _: f"10.96.0.{n}"), text)
        text = _ACCOUNT.sub("123456789012", text)
        return _LOCAL.sub("https://kubernetes.default.svc", text)

    def _numbered(self, new: Callable[[int, str], str]) -> Callable[[re.Match[str]], str]:
        def replace(match: re.Match[str]) -> str:
            old = match[0]
            if old not in self._seen:
                self._seen[old] = new(len(self._seen) + 1, old)
            return self._seen[old]

        return replace
