"""Reads pytest's report of a run: which tests failed, which were skipped and why, and counts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True)
class Report:
    """The failed tests, the skipped ones with the reason, and the number of all others.

    A test is named as pytest takes it on its command line. An expected failure has passed.
    """

    passed: int
    failed: tuple[str, ...]
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
    """Return PATH::NAME, or PATH alone for a file that could not be imported."""
    module, name = case.get("classname", ""), case.get("name", "")
    path = (module or name).replace(".", "/") + ".py"
    return f"{path}::{name}" if module else path
