"""Secret variables: the value, or a file that the `_FILE` twin names and that is read again."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta, Struct

import gateway.console.settings
import gateway.settings
import worker.providers.ecs.settings
import worker.providers.k8s.settings
import worker.settings
from contracts.process.command_line import parse
from contracts.process.environment import (
    MAX_SECRET_BYTES,
    ConfigurationError,
    Secret,
    load,
    secret_form,
    variable,
)
from tests.files import replace

CANARY = "canary-4711"
ALL_SETTINGS: list[type[Struct]] = [
    gateway.settings.Settings,
    gateway.console.settings.Settings,
    gateway.console.settings.SealSettings,
    worker.settings.Settings,
    worker.providers.k8s.settings.Settings,
    worker.providers.ecs.settings.Settings,
]


class Settings(Struct, frozen=True):
    """A required and an optional secret."""

    pin: Annotated[Secret, Meta(pattern=r"^\d{4}\Z", description="4 digits")]
    key: Secret = Secret()


def complaint(**environment: str) -> str:
    """Return the error message for an environment."""
    with pytest.raises(ConfigurationError) as raised:
        load(Settings, environment)
    return str(raised.value)


@pytest.mark.parametrize("content", ["1234", "1234\n", "1234\r\n", "1234\n\n"])
def test_a_secret_is_read_from_the_file_without_line_breaks_at_its_end(tmp_path, content):
    file = replace(tmp_path / "pin", content)

    assert load(Settings, {"PLT_PIN_FILE": str(file)}).pin.read() == "1234"


def test_the_present_content_of_the_file_is_read(tmp_path):
    file = replace(tmp_path / "pin", "1234")
    settings = load(Settings, {"PLT_PIN_FILE": str(file), "PLT_KEY": ""})

    replace(file, "5678")

    assert settings.pin.read() == "5678"
    assert not settings.key


def test_a_value_beside_a_file_is_refused(tmp_path):
    file = str(replace(tmp_path / "pin", "1234"))

    assert complaint(PLT_PIN="1234", PLT_PIN_FILE=file) == (
        "PLT_PIN and PLT_PIN_FILE are both set: expected only one of them"
    )


def missing(file: Path) -> None:
    """Make no file."""


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (missing, "expected a file that can be read: No such file or directory"),
    "a folder": (Path.mkdir, "expected a regular file"),
    "a pipe": (os.mkfifo, "expected a regular file"),
    "empty": (Path.touch, "expected a file with a value, the file is empty"),
    "blank": (lambda file: file.write_text(" \n"), "the file is empty"),
    "too large": (
        lambda file: file.write_text(CANARY * MAX_SECRET_BYTES),
        f"expected a file of at most {MAX_SECRET_BYTES} bytes",
    ),
    "binary": (lambda file: file.write_bytes(b"\xff" + CANARY.encode()), "text in UTF-8"),
    "a wrong value": (lambda file: file.write_text(CANARY), "(content not shown): expected 4"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_an_unusable_file_is_reported_with_variable_and_path_and_without_content(tmp_path, name):
    make, expected = BROKEN[name]
    file = tmp_path / "pin"
    make(file)

    message = complaint(PLT_PIN_FILE=str(file))

    assert message.startswith(f"PLT_PIN_FILE={str(file)!r} (content not shown): expected")
    assert expected in message
    assert CANARY not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "secret", [CANARY, f"amqp://me:{CANARY}@broker/", f"/{CANARY}=", f"-----BEGIN\n{CANARY}"]
)
def test_a_secret_instead_of_its_path_is_not_shown(secret):
    message = complaint(PLT_PIN_FILE=secret)

    assert message.startswith("PLT_PIN_FILE=(not shown)")
    assert CANARY not in message


def test_no_message_and_no_representation_shows_a_secret(tmp_path):
    file = str(replace(tmp_path / "key", CANARY))
    of_value, of_file = load(Settings, {"PLT_PIN": "1234", "PLT_KEY_FILE": file}), Secret(CANARY)

    for text in (repr(of_value), repr(of_file), str(of_value.key.wrong("expected x"))):
        assert CANARY not in text
        assert "1234" not in text


def test_the_secrets_of_all_processes_are_known():
    """A new variable with a secret needs the type Secret; its `_FILE` twin follows from that."""
    found = {
        variable(field.name)
        for settings in ALL_SETTINGS
        for field in msgspec.structs.fields(settings)
        if secret_form(field.type) is not None
    }

    assert found == {
        "PLT_AMQP_URL",
        "PLT_SEAL_KEY",
        "PLT_K8S_CLIENT_CERT",
        "PLT_K8S_CLIENT_KEY",
        "PLT_K8S_PROXY_URL",
    }


def test_the_help_lists_both_variables_of_a_secret(capsys):
    with pytest.raises(SystemExit):
        parse("program", "purpose", Settings, ["--help"])

    assert "PLT_PIN or PLT_PIN_FILE: 4 digits (required)" in capsys.readouterr().out
