"""Reads pytest's JUnit report: failed tests, skipped tests with the reasons, and counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True)
class Report:
    """The failed tests, the skipped tests with the reasons, and the number of passed tests.

    Names are arguments for pytest. Expected failures count as passed.
    """

    passed: int
    failed: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]


def read(file: Path) -> Report | None:
    """Return the report, or None if pytest ended before it wrote one."""
    if not file.exists():
        return None
    cases = list(ElementTree.parse(file).iter("testcase"))
    failed = {_name(case) for case in cases if _has(case, "failure") or _has(case, "error")}
    skipped = dict(_skips(cases))
    names = {_name(case) for case in cases}
    return Report(
        passed=len(names - failed - skipped.keys()),
        failed=tuple(sorted(failed)),
        skipped=tuple(sorted(skipped.items())),
    )


def _skips(cases: list[ElementTree.Element]) -> Iterator[tuple[str, str]]:
    for case in cases:
        mark = case.find("skipped")
        if mark is not None and mark.get("type") != "pytest.xfail":
            yield _name(case), mark.get("message", "")


def _has(case: ElementTree.Element, tag: str) -> bool:
    return case.find(tag) is not None


def _name(case: ElementTree.Element) -> str:
    """Return PATH::NAME, or PATH for a file that could not be imported."""
    module, name = case.get("classname", ""), case.get("name", "")
    path = (module or name).replace(".", "/") + ".py"
    return f"{path}::{name}" if module else path
