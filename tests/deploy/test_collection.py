"""Imports of a test session before its first test."""

import subprocess
import sys

from tests.stack import REPOSITORY


def test_tests_that_need_no_aws_do_not_import_moto() -> None:
    loaded = "import sys, tests.conftest; print(sorted({'moto', 'boto3'} & sys.modules.keys()))"

    done = subprocess.run(
        [sys.executable, "-c", loaded],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("[]\n", "")
