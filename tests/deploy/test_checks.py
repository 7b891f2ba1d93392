"""The summary of `deploy/test`, and the selection of its checks and suites."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from deploy import options, suites
from deploy.checks import Check, Result, run, run_suite, summary
from deploy.failed import Failed
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
<testcase classname="" name="tests.b"><error message="collection failure">no</error></testcase>
</testsuite></testsuites>
"""


def test_a_report_counts_every_test_once(tmp_path: Path) -> None:
    file = tmp_path / "junit.xml"
    file.write_text(JUNIT)

    report = read(file)

    failed = ("tests/a.py::test_breaks", "tests/a.py::test_fails", "tests/b.py")
    assert report == Report(2, failed, (("tests/a.py::test_skips", "no broker"),))


def test_a_missing_junit_file_gives_no_report(tmp_path: Path) -> None:
    assert read(tmp_path / "absent.xml") is None


def test_skipped_tests_are_named_with_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(passed=3, failed=(), skipped=(("tests/a.py::test_skips", "no broker"),))

    assert summary([Result("tests", True, 1.0, report)]) == 0

    printed = capsys.readouterr().out
    assert "skipped: tests/a.py::test_skips: no broker" in printed
    assert printed.endswith("\n3 passed, 0 failed, 1 skipped\n")


def test_the_last_line_has_the_sums_of_all_suites(capsys: pytest.CaptureFixture[str]) -> None:
    first = Report(passed=3, failed=(), skipped=(("tests/a.py::test_skips", "no broker"),))
    second = Report(
        passed=2,
        failed=("tests/a.py::test_fails",),
        skipped=(("tests/a.py::test_skips", "no broker"),),
    )
    results = [
        Result("lint", True, 1.0),
        Result("tests", True, 1.0, first),
        Result("broker on 4.0.5", False, 1.0, second),
        Result("cluster of 4.0.5", True, 1.0, not_run="no root can be made"),
    ]

    assert summary(results) == 1

    printed = capsys.readouterr().out
    assert "skipped: broker on 4.0.5: tests/a.py::test_skips: no broker" in printed
    assert "skipped: cluster of 4.0.5: no root can be made" in printed
    assert printed.endswith(
        "  failed: broker on 4.0.5: tests/a.py::test_fails\n\n5 passed, 1 failed, 3 skipped\n"
    )


@pytest.mark.parametrize(
    ("failing", "report", "last_lines"),
    [
        ("lint", Report(3, (), ()), ["lint", "3 passed, 1 failed, 0 skipped"]),
        ("tests", Report(3, ("a.py::x", "b.py"), ()), ["b.py", "3 passed, 2 failed, 0 skipped"]),
        ("tests", Report(0, (), ()), ["tests", "0 passed, 1 failed, 0 skipped"]),
    ],
)
def test_a_failure_is_named_and_changes_the_counts_and_the_exit_status(
    capsys: pytest.CaptureFixture[str], failing: str, report: Report, last_lines: list[str]
) -> None:
    results = [
        Result("lint", failing != "lint", 1.0),
        Result("tests", failing != "tests", 1.0, report),
    ]

    assert summary(results) == 1

    assert capsys.readouterr().out.endswith("  failed: {}\n\n{}\n".format(*last_lines))


def test_the_output_of_a_failed_check_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    result = run(Check("lint", ["sh", "-c", "echo unused import; exit 1"]))

    assert not result.passed
    assert "unused import" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "marks"),
    [
        ([], "not cluster and not image and not full and not chaos"),
        (["--full"], "not cluster and not image and not chaos"),
        (["--chaos"], "not cluster and not image and not full"),
        (["--full", "--chaos"], "not cluster and not image"),
    ],
)
def test_long_tests_run_only_with_their_option(argv: list[str], marks: str) -> None:
    args = options.test([*argv, "--", "-k", "name"])
    tests, *others = suites.chosen(args)
    assert isinstance(tests, suites.Suite)
    command = tests.command(args, Path("junit.xml"))

    assert command[command.index("-m", 2) + 1] == marks
    assert command[-2:] == ["-k", "name"]
    for suite in others:
        if isinstance(suite, suites.FreshDebian):
            continue
        daily = "not cluster and not image and not full and not chaos"
        alone = suite.mark if suite.mark in suites.ALONE else f"broker and {marks}"
        assert suite.marks(args) == (daily if suite.python else alone)


@pytest.mark.parametrize(
    ("tests", "marks", "processes"),
    [
        (["test_checks.py"], "not cluster and not image and not full and not chaos", "2"),
        (
            ["test_checks.py::test_a", "."],
            "not cluster and not image and not full and not chaos",
            "2",
        ),
        (["test_checks.py::test_a[x::y]"], "", "0"),
    ],
)
def test_paths_select_tests_relative_to_the_callers_folder(
    monkeypatch: pytest.MonkeyPatch, tests: list[str], marks: str, processes: str
) -> None:
    monkeypatch.setenv("MACHINIST_CALLED_FROM", str(Path(__file__).parent))

    args = options.test(["--reports", "x", *tests, "--coverage", "--", "-x"])
    suite = suites.Suite(name="tests", rabbitmq=suites.default_rabbitmq, options=suites.PARALLEL)
    command = suite.command(args, Path("junit.xml"))

    assert command[command.index("-m", 2) + 1] == marks
    assert [after for word, after in pairwise(command) if word == "-n"][-1] == processes
    expected = [os.path.normpath(f"tests/deploy/{test}") for test in tests]
    assert command[-len(tests) - 1 :] == [*expected, "-x"]


def test_a_test_file_that_does_not_exist_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options.test(["tests/nowhere.py::test_a"])

    assert "tests/nowhere.py: expected PATH or PATH::NAME" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "names"),
    [
        ([], ["tests"]),
        (["--rabbitmq-4"], ["tests", "broker on 4.0.5"]),
        (["--full"], [suite.name for suite in suites.SUITES]),
    ],
)
def test_options_select_suites_on_other_brokers(argv: list[str], names: list[str]) -> None:
    assert [suite.name for suite in suites.chosen(options.test(argv))] == names


@pytest.mark.parametrize("argv", [[], ["--full"], ["--coverage"], ["--full", "--coverage"]])
def test_coverage_is_measured_in_one_suite_and_only_with_its_option(argv: list[str]) -> None:
    args = options.test(argv)
    runs = [suite for suite in suites.chosen(args) if isinstance(suite, suites.Suite)]
    own = [suite.command(args, Path("junit.xml")) for suite in runs if not suite.python]

    assert sum("--cov" in command for command in own) == int(args.coverage)


def test_a_suite_without_its_broker_is_skipped_with_the_reason(tmp_path: Path) -> None:
    def impossible(say: object) -> dict[str, str]:
        raise Failed("no root can be made")

    suite = suites.Suite(name="broker on 4.0.5", selected_by=("full",), rabbitmq=impossible)
    result = run_suite(suite, options.test(["--full"]), tmp_path / "junit.xml")

    assert (result.passed, result.not_run) == (True, "no root can be made")


def test_the_tests_of_a_suite_get_its_variables_and_are_counted(tmp_path: Path) -> None:
    (tmp_path / "test_one.py").write_text(
        "import os\n"
        "def test_one(): assert os.environ['PLT_RABBITMQ_BIN'] == '/bin/4'\n"
        "def test_two(): assert os.environ['PLT_RABBITMQ_KHEPRI'] == 'true'\n"
    )
    suite = suites.Suite(
        name="broker on 4.0.5",
        rabbitmq=lambda say: {"PLT_RABBITMQ_BIN": "/bin/4"},
        variables=suites.KHEPRI,
        options=("-p", "no:cacheprovider", "-q", f"--rootdir={tmp_path}"),
    )
    args = options.test(["--", str(tmp_path)])

    result = run_suite(suite, args, tmp_path / "junit.xml")

    assert result.passed
    assert result.report == Report(passed=2, failed=(), skipped=())


def test_a_suite_without_a_selected_test_is_skipped_with_the_arguments(tmp_path: Path) -> None:
    suite = suites.Suite(name="cluster", selected_by=("full",), rabbitmq=suites.default_rabbitmq)
    args = options.test(["--full", "--", "-q", "-p", "no:cacheprovider", str(tmp_path)])

    result = run_suite(suite, args, tmp_path / "junit.xml")

    assert result.passed
    assert "no test is selected by -q" in result.not_run


@pytest.mark.parametrize(
    "argv", [["--context", "x"], ["--cluster", "x"], ["--port", "0"], ["--port", "http"]]
)
def test_wrong_options_are_refused(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options.up(argv)

    assert ended.value.code == 2
    assert "usage: deploy/up" in capsys.readouterr().err
