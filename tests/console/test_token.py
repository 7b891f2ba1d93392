"""`machinist token new` prints a token, and the line with which a gateway accepts it."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.console.__main__ import main
from gateway.identity import tokens
from gateway.identity.requester import Subject
from gateway.identity.tokens import TokenFile
from gateway.identity.watched_file import WatchedFile


async def test_a_gateway_accepts_the_token_for_the_printed_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["token", "new", "--subject", "ci"]) == 0

    token, line = capsys.readouterr().out.splitlines()
    path = tmp_path / "tokens"
    path.write_text(line)
    file = TokenFile(WatchedFile("PLT_AUTH_TOKENS", str(path), tokens.parse))
    assert await file.verify(token) == Subject("ci")
    assert token not in line


@pytest.mark.parametrize(("words", "days"), [([], 90), (["--days", "7"], 7)])
def test_the_line_has_the_time_until_which_the_token_is_valid(
    capsys: pytest.CaptureFixture[str], words: list[str], days: int
) -> None:
    before = time.time()
    assert main(["token", "new", "--subject", "ci", *words]) == 0

    until = datetime.fromisoformat(capsys.readouterr().out.split()[2])
    first = datetime.fromtimestamp(int(before), UTC) + timedelta(days)
    assert first <= until <= datetime.now(UTC) + timedelta(days)


def test_a_token_may_be_valid_forever(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "new", "--subject", "ci", "--days", "never"]) == 0

    assert capsys.readouterr().out.split()[1:3] == ["ci", "never"]


@pytest.mark.parametrize("subject", ["", "a b", "a\nb", "#ci", "c" * 256])
def test_an_invalid_subject_is_refused(capsys: pytest.CaptureFixture[str], subject: str) -> None:
    assert main(["token", "new", "--subject", subject]) == 2

    printed = capsys.readouterr()
    assert printed.out == ""
    assert "--subject: expected 1 to 255 printable characters without spaces" in printed.err


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "10000", "soon"])
def test_an_invalid_number_of_days_is_refused(
    capsys: pytest.CaptureFixture[str], days: str
) -> None:
    assert main(["token", "new", "--subject", "ci", "--days", days]) == 2

    assert "expected 1 to 9999 or never" in capsys.readouterr().err
