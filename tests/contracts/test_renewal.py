"""Values from files: loaded again after a change, kept while the new content is invalid."""

from pathlib import Path

import pytest

from contracts.process.environment import ConfigurationError
from contracts.process.renewal import Renewed
from tests.files import replace


@pytest.fixture
def file(tmp_path):
    return replace(tmp_path / "number", "1")


def renewed(*files: Path, interval_s: float = 0.0) -> Renewed[int]:
    """Return the sum of the numbers in files."""

    def load() -> int:
        try:
            return sum(int(each.read_text()) for each in files)
        except (OSError, ValueError):
            raise ConfigurationError("a file has no number") from None

    return Renewed(load, map(str, files), interval_s)


def test_a_changed_file_is_loaded_again(file):
    number = renewed(file)
    assert number.current() == 1

    replace(file, "2")

    assert number.current() == 2


def test_all_files_are_checked_at_once(file, tmp_path):
    other = replace(tmp_path / "other", "10")
    number = renewed(file, other)
    replace(file, "2")
    replace(other, "20")
    assert number.current() == 22

    replace(other, "30")
    assert number.current() == 32


def test_a_file_is_not_checked_again_within_the_interval_unless_demanded(file):
    number = renewed(file, interval_s=3600)
    replace(file, "2")

    assert number.current() == 1
    assert number.renew() == 2
    assert number.current() == 2


@pytest.mark.parametrize("break_", [lambda f: replace(f, "x"), lambda f: f.unlink()])
def test_the_former_value_stays_while_the_file_is_invalid_and_the_error_is_logged_once(
    file, caplog, break_
):
    number = renewed(file)

    break_(file)
    assert [number.current(), number.renew(), number.current()] == [1, 1, 1]
    assert caplog.messages == ["a file has no number; the former value stays in use"]

    replace(file, "2")
    assert number.current() == 2
    replace(file, "x")
    assert number.current() == 2
    assert len(caplog.messages) == 2


def test_an_invalid_file_at_the_start_is_an_error(tmp_path):
    with pytest.raises(ConfigurationError):
        renewed(tmp_path / "missing")
