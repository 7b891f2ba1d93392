"""What `deploy/test` says at its end is what happened."""

from pathlib import Path

import pytest

from deploy import options
from deploy.checks import Check, Result, checks, run, summary
from deploy.junit import Report, read

JUNIT = """\
<testsuites><testsuite>
<testcase classname="tests.a" name="test_passes" time="0.1"/>
<testcase classname="tests.a" name="test_fails"><failure message="no">no</failure></testcase>
<testcase classname="tests.a" name="test_breaks"><error message="setup">no</error></testcase>
<testcase classname="tests.a" name="test_skips">
  <skipped type="pytest.skip" message="no broker"/></testcase>
<testcase classname="tests.a" name="test_expected">
  <skipped type="pytest.xfail" message="known"/></testcase>
</testsuite></testsuites>
"""


def test_the_report_counts_every_test_once(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    file.write_text(JUNIT)

    report = read(file)

    assert report == Report(passed=2, failed=2, skipped=(("tests.a.test_skips", "no broker"),))


def test_without_a_report_there_is_nothing_to_count(tmp_path: Path) -> None:
    assert read(tmp_path / "absent.xml") is None


def test_what_was_skipped_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(passed=3, failed=0, skipped=(("tests.a.test_skips", "no broker"),))

    assert summary([Result("tests", True, 1.0)], report) == 0

    printed = capsys.readouterr().out
    assert "skipped: tests.a.test_skips: no broker" in printed
    assert printed.endswith("\n3 passed, 0 failed, 1 skipped\n")


@pytest.mark.parametrize(
    ("failing", "report", "closing"),
    [
        ("lint", Report(3, 0, ()), "3 passed, 1 failed, 0 skipped"),
        ("tests", Report(3, 2, ()), "3 passed, 2 failed, 0 skipped"),
        ("tests", None, "0 passed, 1 failed, 0 skipped"),
    ],
)
def test_any_failure_shows_in_the_counts_and_the_exit_code(
    capsys: pytest.CaptureFixture[str], failing: str, report: Report | None, closing: str
) -> None:
    names = ["lint", "tests"]

    assert summary([Result(name, name != failing, 1.0) for name in names], report) == 1

    assert capsys.readouterr().out.splitlines()[-1] == closing


def test_a_failing_check_shows_what_it_printed(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(Check("lint", ["sh", "-c", "echo unused import; exit 1"]))

    assert not result.passed
    assert "unused import" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "marks"),
    [
        ([], "not full and not chaos"),
        (["--full"], "not chaos"),
        (["--chaos"], "not full"),
        (["--full", "--chaos"], ""),
    ],
)
def test_long_tests_run_when_asked_for(argv: list[str], marks: str) -> None:
    *_, tests = checks(options.test([*argv, "--", "-k", "name"]), Path("junit.xml"))

    assert tests.command[tests.command.index("-m", 2) + 1] == marks
    assert tests.command[-2:] == ["-k", "name"]


@pytest.mark.parametrize(
    "argv", [["--context", "x"], ["--cluster", "x"], ["--port", "0"], ["--port", "http"]]
)
def test_unknown_options_are_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options.up(argv)

    assert ended.value.code == 2
    assert "usage: deploy/up" in capsys.readouterr().err
