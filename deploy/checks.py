"""`deploy/test`: runs every check, and prints a summary with counts and the names of failures."""

import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from contracts.printable import BREAKS, printable
from deploy import on_cluster, options, signals, suites
from deploy.failed import Failed
from deploy.junit import Report, read
from deploy.rabbitmq.installation import ensure

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGES = ("contracts", "gateway", "worker", "deploy", "tests")
NONE = Report(passed=0, failed=(), skipped=())
QUICK_CHECKS = ("format", "lint")
"""Checks of less than a second, which also run when PATHs select tests."""


@dataclass(frozen=True)
class Check:
    """A command whose output is shown only if it fails."""

    name: str
    command: Sequence[str]


@dataclass(frozen=True)
class Result:
    """The result of a check. Tests also have a report, or the reason why they did not run."""

    name: str
    passed: bool
    seconds: float
    report: Report = NONE
    not_run: str = ""


def main() -> int:
    args = options.test(sys.argv[1:])
    os.chdir(CHECKOUT)
    signals.listen()
    with tempfile.TemporaryDirectory(prefix="machinist-test-") as folder:
        reports = args.reports or Path(folder)
        reports.mkdir(parents=True, exist_ok=True)
        junit = Path(folder) / "junit.xml"
        if args.kubeconfig:
            result = timed("tests", lambda: on_cluster.run(args, Path(folder), junit))
            return summary([replace(result, report=read(junit) or NONE)])
        # A test that needs a broker installs RabbitMQ by itself.
        results = [] if args.tests else [timed("broker", broker)]
        selected = [each for each in checks() if not args.tests or each.name in QUICK_CHECKS]
        results += [run(check) for check in selected]
        for number, suite in enumerate(suites.chosen(args)):
            results.append(run_suite(suite, args, reports / f"junit-{number}.xml"))
        return summary(results)


def checks() -> list[Check]:
    def module(name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", name, *arguments]

    # import-linter cannot be run as a module.
    lint_imports = str(Path(sys.executable).with_name("lint-imports"))
    return [
        Check("format", module("ruff", "format", "--check", *PACKAGES)),
        Check("lint", module("ruff", "check", *PACKAGES)),
        Check("types", module("mypy")),
        Check("imports", [lint_imports]),
    ]


def run(check: Check) -> Result:
    def passes() -> bool:
        done = subprocess.run(
            check.command, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if done.returncode:
            sys.stdout.buffer.write(done.stdout + done.stderr)
        return done.returncode == 0

    return timed(check.name, passes)


def run_suite(suite: suites.Suite | suites.FreshDebian, args: Namespace, junit: Path) -> Result:
    """Run the tests of a suite. A missing prerequisite becomes the result's `not_run`."""
    reasons: list[str] = []

    def passes() -> bool:
        try:
            return suite.run(args, junit, _say)
        except Failed as failure:
            reasons.append(str(failure))
            _say(f"not run: {failure}")
            return True

    result = timed(suite.name, passes)
    return replace(result, report=read(junit) or NONE, not_run="".join(reasons))


def broker() -> bool:
    """Install RabbitMQ if it is missing, since tests start private nodes; return the success."""
    try:
        ensure(_say)
    except Failed as failure:
        _say(str(failure))
        return False
    return True


def timed(name: str, passes: Callable[[], bool]) -> Result:
    print(f"== {name}", flush=True)
    began = time.monotonic()
    result = Result(name, passes(), time.monotonic() - began)
    print(f"== {_line(result, len(name))}\n", flush=True)
    return result


def summary(results: Sequence[Result]) -> int:
    """Print the results, the skipped tests and the failures; return the exit status."""
    print("Summary")
    width = max(len(result.name) for result in results)
    for result in results:
        print(f"  {_line(result, width)}")
    several = len([result for result in results if result.report != NONE]) > 1
    for result in results:
        if result.not_run:
            print(f"  skipped: {result.name}: {result.not_run}")
        for name, reason in result.report.skipped:
            print(f"  skipped: {f'{result.name}: ' if several else ''}{name}: {reason}")
    failures = [name for result in results for name in _failures(result, several)]
    for name in failures:
        print(f"  failed: {name}")
    passed = sum(result.report.passed for result in results)
    skipped = sum(len(result.report.skipped) + bool(result.not_run) for result in results)
    print(f"\n{passed} passed, {len(failures)} failed, {skipped} skipped", flush=True)
    return 1 if failures else 0


def _failures(result: Result, several: bool) -> list[str]:
    """Return the failed tests, or the check if it has none, such as after a crash of pytest."""
    if result.passed:
        return []
    tests = result.report.failed
    return [f"{result.name}: {test}" if several else test for test in tests] or [result.name]


def _line(result: Result, width: int) -> str:
    status = "not run" if result.not_run else "ok" if result.passed else "FAILED"
    return f"{result.name:<{width}} {status:<7} {result.seconds:6.1f} s"


def _say(message: str) -> None:
    print(f"  {printable(message, BREAKS)}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except signals.Stopped as stopped:
        sys.exit(128 + stopped.number)
