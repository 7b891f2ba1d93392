"""Reads what pytest wrote about a run: how many passed and failed, and what was skipped and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True)
class Report:
    """Counts, and the name and reason of each skipped test; an expected failure has passed."""

    passed: int
    failed: int
    skipped: tuple[tuple[str, str], ...]


def read(file: Path) -> Report | None:
    """Return the report, unless pytest ended before it wrote one."""
    if not file.exists():
        return None
    cases = list(ElementTree.parse(file).iter("testcase"))
    failed = {_name(case) for case in cases if _has(case, "failure") or _has(case, "error")}
    skipped = dict(_skips(cases))
    names = {_name(case) for case in cases}
    return Report(
        passed=len(names - failed - skipped.keys()),
        failed=len(failed),
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
    return f"{case.get('classname')}.{case.get('name')}"
