"""The programs of a node: those in the folder of PLT_RABBITMQ_BIN, else the package's."""

from pathlib import Path

import pytest

from deploy.failed import Failed
from deploy.rabbitmq import find, installation
from deploy.rabbitmq.installation import Installation, ensure


def refused(message: str) -> None:
    raise AssertionError(f"unexpected installation: {message}")


def folder_of(folder: Path, *programs: str) -> Path:
    for name in programs:
        file = folder / name
        file.write_text("#!/bin/sh\n")
        file.chmod(0o755)
    return folder


def test_a_named_folder_is_preferred_to_the_package(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "rabbitmq-server", "rabbitmqctl", "epmd")

    found = ensure(refused, {"PLT_RABBITMQ_BIN": str(folder)})

    assert found == Installation(
        folder / "rabbitmq-server", folder / "rabbitmqctl", folder / "epmd"
    )
    assert found.program("rabbitmq-queues") == folder / "rabbitmq-queues"


def test_a_folder_without_epmd_uses_the_machines(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "rabbitmq-server", "rabbitmqctl")

    found = ensure(refused, {"PLT_RABBITMQ_BIN": str(folder)})

    assert found.epmd.is_absolute()
    assert found.epmd.parent != folder


def test_a_missing_epmd_is_reported_with_the_expected_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(tmp_path, "rabbitmq-server", "rabbitmqctl")
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(installation, "EPMD_FOLDERS", [])

    with pytest.raises(Failed, match=f"PLT_RABBITMQ_BIN is '{folder}', .* no epmd.*expected"):
        ensure(refused, {"PLT_RABBITMQ_BIN": str(folder)})


@pytest.mark.parametrize(
    ("present", "reason"),
    [
        ([], "lacks rabbitmq-server and rabbitmqctl"),
        (["rabbitmq-server"], "lacks rabbitmqctl"),
        (["rabbitmqctl", "epmd"], "lacks rabbitmq-server"),
    ],
)
def test_a_folder_without_the_programs_is_refused_with_the_expectation(
    tmp_path: Path, present: list[str], reason: str
) -> None:
    folder = folder_of(tmp_path, *present)

    with pytest.raises(Failed) as failure:
        ensure(refused, {"PLT_RABBITMQ_BIN": str(folder)})

    assert str(failure.value) == (
        f"PLT_RABBITMQ_BIN is '{folder}', which {reason}: expected a folder with the programs "
        "rabbitmq-server and rabbitmqctl, such as /usr/lib/rabbitmq/bin"
    )


def test_a_folder_and_a_file_without_execute_permission_are_no_programs(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "rabbitmq-server", "rabbitmqctl")
    (folder / "rabbitmqctl").chmod(0o644)
    (folder / "rabbitmq-server").unlink()
    (folder / "rabbitmq-server").mkdir()

    with pytest.raises(Failed, match="lacks rabbitmq-server and rabbitmqctl"):
        ensure(refused, {"PLT_RABBITMQ_BIN": str(folder)})


def test_deploy_up_refuses_a_wrong_folder_and_starts_no_other_broker(tmp_path: Path) -> None:
    environ = {"PLT_RABBITMQ_BIN": str(tmp_path / "absent")}

    with (
        pytest.raises(Failed, match=r"PLT_RABBITMQ_BIN is '.*absent', which is not a folder"),
        find.started(tmp_path, environ, print),
    ):
        pass


def test_an_empty_variable_counts_as_unset() -> None:
    assert ensure(refused, {"PLT_RABBITMQ_BIN": ""}) == ensure(refused, {})
