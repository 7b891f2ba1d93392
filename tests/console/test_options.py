"""The console's options --since and --most."""

import argparse
from datetime import UTC, datetime, timedelta, timezone

import pytest

from gateway.console.options import most, since

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("first", "first"),
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
def test_since_accepts_ages_and_times(text, moment):
    assert since(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "1", "h", "1w", "-1h", "yesterday", "999999d", "1h30m"])
def test_an_invalid_since_is_answered_with_examples(text):
    with pytest.raises(argparse.ArgumentTypeError, match="such as 90s, 15m, 1h or 2d"):
        since(text, NOW)


def test_since_converts_to_utc():
    moment = since("2026-01-31T08:00:00-05:00", NOW)

    assert isinstance(moment, datetime)
    assert moment.tzinfo is UTC
    assert moment == datetime(2026, 1, 31, 8, tzinfo=timezone(timedelta(hours=-5)))


@pytest.mark.parametrize("text", ["0", "-1", "ten", "10001", "1.5"])
def test_most_accepts_only_numbers_from_1_to_10000(text):
    with pytest.raises(argparse.ArgumentTypeError, match="from 1 to 10000"):
        most(text)
