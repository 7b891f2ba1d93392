"""The console's times: ages, dates and times with and without an offset."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.console.__main__ import main
from gateway.console.terminal.values import moment

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("1h", NOW - timedelta(hours=1)),
        ("2d", NOW - timedelta(days=2)),
        ("2026-01-31T08:00:00Z", NOW - timedelta(hours=4)),
        ("2026-01-31T08:00", NOW - timedelta(hours=4)),
        ("2026-01-31T08:00:00+01:00", NOW - timedelta(hours=5)),
        ("2026-01-31", NOW - timedelta(hours=12)),
    ],
)
def test_ages_and_times_are_accepted(text, expected):
    assert moment(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "1", "h", "1w", "-1h", "yesterday", "999999d", "1h30m"])
def test_an_invalid_time_is_answered_with_examples(text, capsys):
    assert main(["audit", "list", "--since", text]) == 2

    assert "such as 90s, 15m, 1h or 2d" in capsys.readouterr().err


def test_a_time_is_converted_to_utc():
    found = moment("2026-01-31T08:00:00-05:00", NOW)

    assert found.tzinfo is UTC
    assert found == datetime(2026, 1, 31, 8, tzinfo=timezone(timedelta(hours=-5)))
