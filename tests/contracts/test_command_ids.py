"""The ids of commands contain the time at which they were made."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from contracts.records.command_ids import SHORT, new_command_id, time_in


def test_an_id_is_a_version_7_uuid_with_the_present_time() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    command_id = new_command_id()

    assert (UUID(command_id).version, UUID(command_id).hex) == (7, command_id)
    for known in (command_id, command_id[:SHORT]):
        found = time_in(known)
        assert found is not None
        assert before <= found <= datetime.now(UTC)


def test_ids_of_the_same_moment_differ() -> None:
    assert len({new_command_id() for _ in range(1000)}) == 1000


@pytest.mark.parametrize(
    "command_id",
    ["", "m1", "0" * 32, "f" * 32, "f" * 12 + "7fff", "019ad2c0f1e0", UUID(int=2**127).hex],
)
def test_the_id_of_another_program_has_no_time(command_id: str) -> None:
    assert time_in(command_id) is None
