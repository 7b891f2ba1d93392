"""`deploy/test`: runs every check to its end, and counts what passed, failed and was skipped."""

import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy import on_cluster, options, signals
from deploy.failed import Failed
from deploy.junit import Report, read
from deploy.rabbitmq.installation import ensure

CHECKOUT = Path(__file__).resolve().parent.parent
# A test that hangs fails alone, instead of taking the whole run with it.
HANGS = ("--timeout=120",)
# Half of what they do is waiting. The long ones come first, since the folders are in order. A file
# stays together: its tests share what they started.
AT_ONCE = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
PACKAGES = ("contracts", "gateway", "worker", "deploy", "tests")


@dataclass(frozen=True)
class Check:
    """One command; a loud one prints for itself, of the others only a failure is shown."""

    name: str
    command: Sequence[str]
    loud: bool = False


@dataclass(frozen=True)
class Result:
    name: str
    passed: bool
    seconds: float


def main() -> int:
    asked = options.test(sys.argv[1:])
    os.chdir(CHECKOUT)
    # A check that runs is ended with us, and with it all that it started.
    signals.listen()
    with tempfile.TemporaryDirectory(prefix="machinist-test-") as folder:
        junit = Path(folder) / "junit.xml"
        if asked.kubeconfig:
            results = [timed("tests", lambda: on_cluster.passes(asked, Path(folder), junit))]
        else:
            results = [timed("broker", broker)]
            results += [run(check) for check in checks(asked, junit)]
        return summary(results, read(junit))


def checks(asked: Namespace, junit: Path) -> list[Check]:
    def module(name: str, *arguments: str) -> list[str]:
        return [sys.executable, "-m", name, *arguments]

    # The program next to this Python: import-linter cannot be run as a module.
    lint_imports = str(Path(sys.executable).with_name("lint-imports"))
    return [
        Check("format", module("ruff", "format", "--check", *PACKAGES)),
        Check("lint", module("ruff", "check", *PACKAGES)),
        Check("types", module("mypy")),
        Check("imports", [lint_imports]),
        Check("tests", module("pytest", *_pytest(asked, junit)), loud=True),
    ]


def run(check: Check) -> Result:
    def passes() -> bool:
        shown = None if check.loud else subprocess.PIPE
        done = subprocess.run(
            check.command, stdin=subprocess.DEVNULL, stdout=shown, stderr=shown, check=False
        )
        if done.returncode and not check.loud:
            sys.stdout.buffer.write(done.stdout + done.stderr)
        return done.returncode == 0

    return timed(check.name, passes)


def broker() -> bool:
    """The tests start and kill a private RabbitMQ node: its programs have to be here."""
    try:
        ensure(lambda message: print(f"  {message}", flush=True))
    except Failed as failure:
        print(f"  {failure}", flush=True)
        return False
    return True


def timed(name: str, passes: Callable[[], bool]) -> Result:
    print(f"== {name}", flush=True)
    began = time.monotonic()
    result = Result(name, passes(), time.monotonic() - began)
    print(f"== {_line(result)}\n", flush=True)
    return result


def summary(results: Sequence[Result], report: Report | None) -> int:
    """Print what there is to know at the end; return the exit code."""
    print("Summary")
    for result in results:
        print(f"  {_line(result)}")
    failed = [result.name for result in results if not result.passed]
    report = report or Report(passed=0, failed=0, skipped=())
    for name, reason in report.skipped:
        print(f"  skipped: {name}: {reason}")
    # Checks other than the tests count as one failure each, and so do tests that never ran.
    others = len([name for name in failed if name != "tests"])
    if "tests" in failed and not report.failed:
        others += 1
    if failed:
        print(f"  failed: {', '.join(failed)}")
    counts = f"{report.passed} passed, {report.failed + others} failed"
    print(f"\n{counts}, {len(report.skipped)} skipped", flush=True)
    return 1 if failed else 0


def _line(result: Result) -> str:
    return f"{result.name:<8} {'ok' if result.passed else 'FAILED':<6} {result.seconds:6.1f} s"


def _pytest(asked: Namespace, junit: Path) -> list[str]:
    left_out = [mark for mark in ("full", "chaos") if not getattr(asked, mark)]
    marks = " and ".join(f"not {mark}" for mark in left_out)
    return [
        *("-m", marks, *HANGS, *AT_ONCE),
        *("--cov", "--cov-report=term", f"--junitxml={junit}"),
        *asked.pytest,
    ]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except signals.Stopped as stopped:
        sys.exit(128 + stopped.number)
