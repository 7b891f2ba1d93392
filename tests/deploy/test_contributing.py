"""CONTRIBUTING.md: its example works in a copy of the checkout, and its hooks are complete."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from deploy.checks import checks
from tests.stack import REPOSITORY

STEP = re.compile(
    r"(?:(?P<end>At the end of)(?: `(?P<block>\w+)` in)?|(?P<new>The new file)|"
    r"Instead of `(?P<old>[^`]+)` in) `(?P<file>[\w./]+)`[^`]*:\n\n```python\n(?P<code>.*?)```",
    re.DOTALL,
)
COPIED = ("contracts", "gateway", "worker", "deploy", "tests")
TESTED = ("tests/demo", "tests/contracts/test_table.py", "tests/worker/test_port.py")
PAGE = (REPOSITORY / "CONTRIBUTING.md").read_text()


def follow(step: re.Match[str], file: Path) -> None:
    """Apply a step of the page to a file."""
    if step["new"]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(step["code"])
        return
    lines = file.read_text().splitlines(keepends=True)
    if step["old"]:
        lines[lines.index(step["old"] + "\n")] = step["code"]
    else:
        lines.insert(end_of(step["block"], lines), step["code"])
    file.write_text("".join(lines))


def end_of(name: str | None, lines: list[str]) -> int:
    """Return the number of the line after a class, list or dict, or after the whole file."""
    if name is None:
        return len(lines)
    start = next(n for n, line in enumerate(lines) if re.match(rf"(class )?{name}\b", line))
    ends = (n for n in range(start + 1, len(lines)) if not re.match(r"\s", lines[n]))
    return next(ends, len(lines))


def test_the_worked_example_passes_lint_and_its_tests(tmp_path: Path) -> None:
    for name in COPIED:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=ignored)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    steps = list(STEP.finditer(PAGE))
    assert len(steps) == PAGE.count("```python")
    for step in steps:
        follow(step, tmp_path / step["file"])

    lint = ["ruff", "check", "--no-cache", *{step["file"] for step in steps}]
    tests = ["pytest", "-q", "-p", "no:cacheprovider", *TESTED]
    for words in (lint, tests):
        done = subprocess.run(
            [sys.executable, "-m", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_module_named_on_the_page_exists() -> None:
    named = re.findall(r"\b(?:contracts|gateway|worker|deploy|tests)/[\w/]+\.py\b", PAGE)
    absent = {path for path in named if not (REPOSITORY / path).exists()}

    assert all("demo" in path for path in absent), absent


def test_pre_commit_runs_the_checks_of_deploy_test() -> None:
    config = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text())
    [repository] = config["repos"]
    entries = {hook["id"]: hook["entry"].split() for hook in repository["hooks"]}
    bin_folder = str(Path(sys.executable).parent)

    assert repository["repo"] == "local"
    assert entries == {
        check.name: [word.replace(bin_folder, ".venv/bin") for word in check.command]
        for check in checks()
    }
