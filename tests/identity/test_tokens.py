"""Tokens of a file: their lines, expiry, and changes of the file."""

import hashlib
import logging
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.identity import tokens
from gateway.identity.refused import Refused
from gateway.identity.requester import Subject
from gateway.identity.tokens import TokenFile
from gateway.identity.watched_file import FILE_LIMIT, InvalidFile, WatchedFile

UNTIL = datetime(2027, 1, 31, 12, tzinfo=UTC)
OLD, NEW = tokens.new_token(), tokens.new_token()


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def file_of(path: Path, clock: Clock) -> TokenFile:
    return TokenFile(
        WatchedFile("PLT_AUTH_TOKENS", str(path), tokens.parse, now=clock), lambda: 0.0
    )


def test_a_token_has_256_random_bits_and_a_prefix() -> None:
    made = {tokens.new_token() for _ in range(100)}

    assert len(made) == 100
    assert {len(each) for each in made} == {len(tokens.PREFIX) + 43}
    assert all(each.startswith("machinist_") for each in made)


def test_a_line_has_the_hash_of_the_token_and_not_the_token() -> None:
    line = tokens.line_of(OLD, "ci", UNTIL)

    assert line == f"ci 2027-01-31T12:00:00Z sha256:{hashlib.sha256(OLD.encode()).hexdigest()}"
    assert OLD not in line


async def test_a_subject_may_have_several_tokens(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    lines = [
        "# the pipeline",
        "",
        tokens.line_of(OLD, "ci", UNTIL),
        tokens.line_of(NEW, "ci", None),
    ]
    path.write_text("\r\n".join(lines))
    file = file_of(path, Clock())

    assert await file.verify(OLD) == await file.verify(NEW) == Subject("ci")


@pytest.mark.parametrize(
    ("now", "accepted"), [(UNTIL.timestamp() - 0.001, True), (UNTIL.timestamp(), False)]
)
async def test_a_token_is_valid_until_its_expiry(
    tmp_path: Path, now: float, accepted: bool
) -> None:
    path = tmp_path / "tokens"
    path.write_text(tokens.line_of(OLD, "ci", UNTIL))
    file = TokenFile(WatchedFile("PLT_AUTH_TOKENS", str(path), tokens.parse), lambda: now)

    if accepted:
        await file.verify(OLD)
        return
    with pytest.raises(Refused, match="the token has expired"):
        await file.verify(OLD)


HASH = "0" * 64
INVALID = [
    (OLD, "line 1: expected SUBJECT EXPIRES sha256:64 hexadecimal digits, separated by spaces, "
     "got 1 words"),
    (f"ci {OLD}", "line 1: expected SUBJECT"),
    (f"# c\nci never {OLD}", "line 2: expected sha256: and 64 hexadecimal digits as the third"),
    (f"ci never sha256:{'A' * 64}", "line 1: expected sha256:"),
    (f"ci never sha256:{HASH[:-1]}", "line 1: expected sha256:"),
    (f"ci never sha512:{HASH}", "line 1: expected sha256:"),
    (f"ci tomorrow sha256:{HASH}", "line 1: expected a time with its zone such as 2027-01-31"),
    (f"ci 2027-01-31 sha256:{HASH}", "line 1: expected a time with its zone"),
    (f"ci 2027-01-31T12:00:00 sha256:{HASH}", "line 1: expected a time with its zone"),
    (f"{'c' * 256} never sha256:{HASH}", "line 1: expected a subject of at most 255"),
    (f"ci never sha256:{HASH}\n\nme never sha256:{HASH}", "line 3: expected another hash than in "
     "line 1"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "reason"), INVALID, ids=range(len(INVALID)))
def test_an_error_names_the_line_and_shows_no_part_of_it(text: str, reason: str) -> None:
    with pytest.raises(InvalidFile) as raised:
        tokens.parse(text.encode())

    assert str(raised.value).startswith(reason)
    assert OLD not in str(raised.value)
    assert HASH[:-1] not in str(raised.value)


def test_a_file_that_is_not_text_is_refused() -> None:
    with pytest.raises(InvalidFile, match="expected UTF-8"):
        tokens.parse(b"\xff\xfe")


async def test_a_changed_file_is_in_force_after_a_second(tmp_path: Path) -> None:
    path, clock = tmp_path / "tokens", Clock()
    path.write_text(tokens.line_of(OLD, "ci", None))
    file = file_of(path, clock)

    path.write_text(tokens.line_of(NEW, "pipeline", None))
    clock.seconds = 0.9
    assert await file.verify(OLD) == Subject("ci")
    clock.seconds = 1.0

    assert await file.verify(NEW) == Subject("pipeline")
    with pytest.raises(Refused, match="the token is not known"):
        await file.verify(OLD)


async def test_the_swap_of_a_link_as_by_the_kubelet_is_noticed(tmp_path: Path) -> None:
    """The kubelet writes a new folder, then renames a link over `..data`; times may be equal."""
    clock = Clock()
    for name, token in (("..1", OLD), ("..2", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tokens").write_text(tokens.line_of(token, "ci", None))
    (tmp_path / "..data").symlink_to("..1")
    (tmp_path / "tokens").symlink_to("..data/tokens")
    file = file_of(tmp_path / "tokens", clock)
    await file.verify(OLD)

    (tmp_path / "..data_tmp").symlink_to("..2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    clock.seconds = 1.0

    await file.verify(NEW)
    with pytest.raises(Refused):
        await file.verify(OLD)


@pytest.mark.parametrize("change", ["invalid", "missing", "too large"])
async def test_a_changed_file_that_is_not_valid_leaves_the_former_tokens_in_force(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, change: str
) -> None:
    path, clock = tmp_path / "tokens", Clock()
    path.write_text(tokens.line_of(OLD, "ci", None))
    file = file_of(path, clock)
    if change == "missing":
        path.unlink()
    else:
        path.write_text(f"{NEW}\n" if change == "invalid" else "#" * (FILE_LIMIT + 1))

    with caplog.at_level(logging.ERROR):
        for seconds in (1.0, 2.0, 3.0):
            clock.seconds = seconds
            assert await file.verify(OLD) == Subject("ci")

    [record] = caplog.records
    assert f"PLT_AUTH_TOKENS='{path}'" in record.getMessage()
    assert "the former content stays in force" in record.getMessage()
    assert NEW not in caplog.text

    path.write_text(tokens.line_of(NEW, "ci", None))
    clock.seconds = 4.0
    await file.verify(NEW)
