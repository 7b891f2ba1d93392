"""No program prints the password of a broker URL that is malformed or refused."""

import os
import subprocess
from pathlib import Path

import pytest

from contracts.broker.reconnecting import ReconnectingConnection
from contracts.process.environment import ConfigurationError, load
from deploy.failed import Failed
from deploy.rabbitmq import find
from deploy.rabbitmq.node import RabbitNode
from gateway.console import __main__ as console
from gateway.settings import Settings
from tests.forking import finish
from tests.producers.page import PAGE, needs

SCALE_PY = PAGE.parent / "scale.py"
SCALE_SH = PAGE.parent / "scale.sh"
SECRET = "ter2"
WRONG = {
    "a port that is no number": "amqp://me:hunter2@127.0.0.1:port/",
    "a port that is too high": "amqp://me:hunter2@127.0.0.1:70000/",
    "no colon after the scheme": "amqp//me:hunter2@127.0.0.1/",
    "no scheme": "me:hunter2@127.0.0.1",
    "another scheme": "http://me:hunter2@127.0.0.1/",
    "a bracket": "amqp://me:hun[ter2@127.0.0.1/",
    "a slash in the password": "amqp://me:hun/ter2@127.0.0.1/",
    "a character that normalises to two": "amqp://me:hunter2\u2100@127.0.0.1/",
    "an at sign in the path": "amqp://me:5/hunter2@127.0.0.1:1/",
    "a space between two URLs": "amqp://a:b@127.0.0.1:1/ amqp://me:hunter2@127.0.0.1:2/",
    "a line break between two URLs": "amqp://a:b@127.0.0.1:1/\namqp://me:hunter2@127.0.0.1:2/",
    "a semicolon between two URLs": "amqp://a:b@127.0.0.1:1/;amqp://me:hunter2@127.0.0.1:2/",
    "a semicolon between two hosts": "amqp://a:b@127.0.0.1;hunter2",
    "a bar between two URLs": "amqp://127.0.0.1:1/|amqp://hunter2",
    "an empty label": "amqp://me:hunter2@a..b:5672/",
    "a long label": f"amqp://me:hunter2@{'a' * 64}.example/",
    "a long label of non-ASCII letters": f"amqp://me:hunter2@{'ü' * 63}.example/",
    "a comma at the end": "amqp://me:hunter2@127.0.0.1:1/,",
    "a second URL without a scheme": "amqp://me:hunter2@127.0.0.1:1/,me:hunter2@127.0.0.1",
    "no at sign": "amqp://me:hunter2",
    "the password alone": "hunter2",
}
SEVERAL = "amqp://me:hunter2@127.0.0.1:1/,amqp://me:hunter2@127.0.0.1:2/shop"
ARGUMENTS = ("default", "hello", "3")


def output_of(program: Path, **variables: str) -> tuple[int, str]:
    environment = os.environ | variables
    if program == SCALE_PY:
        done = finish(program, *ARGUMENTS, environment=environment)
    else:
        done = subprocess.run(
            ["bash", program, *ARGUMENTS],
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("url", WRONG.values(), ids=WRONG)
def test_a_process_refuses_a_wrong_url_without_showing_it(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"PLT_AMQP_URL=\(not shown\): expected") as raised:
        ReconnectingConnection(load(Settings, {"PLT_AMQP_URL": url}).amqp_url, "test")

    assert SECRET not in str(raised.value)


@pytest.mark.parametrize("url", WRONG.values(), ids=WRONG)
def test_the_console_refuses_a_wrong_url_without_showing_it(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PLT_AMQP_URL", url)

    assert console.main(["dead", "list"]) == 2

    printed = capsys.readouterr()
    assert "expected" in printed.err
    assert SECRET not in printed.out + printed.err


def test_the_console_refuses_a_wrong_url_in_a_file_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "url"
    file.write_text(WRONG["another scheme"])
    monkeypatch.setenv("PLT_AMQP_URL_FILE", str(file))

    assert console.main(["dead", "list"]) == 2

    printed = capsys.readouterr()
    assert f"PLT_AMQP_URL_FILE='{file}' (content not shown): expected" in printed.err
    assert SECRET not in printed.out + printed.err


@pytest.mark.parametrize("url", [*WRONG.values(), SEVERAL], ids=[*WRONG, "several"])
def test_deploy_up_refuses_a_wrong_url_without_showing_it(url: str) -> None:
    with pytest.raises((Failed, ConfigurationError)) as raised:
        find.named({"PLT_AMQP_URL": url})

    assert isinstance(raised.value, Failed) == (url == SEVERAL)
    assert SECRET not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "status"),
    [
        *((url, 2) for url in WRONG.values()),
        (SEVERAL, 1),
    ],
    ids=[*WRONG, "several"],
)
def test_scale_py_reports_a_wrong_url_without_showing_it(url: str, status: int) -> None:
    ended, output = output_of(SCALE_PY, PLT_AMQP_URL=url)

    assert ended == status
    assert output.splitlines()[-1].startswith("scale.py: ")
    assert "Traceback" not in output
    assert SECRET not in output


@pytest.mark.parametrize(
    ("content", "beside", "expected"),
    [
        ("amqp://me:hunter2@127.0.0.1:1/\n", {}, (1, "no connection to 127.0.0.1")),
        ("me:hunter2", {}, (2, "(not shown): expected one of them")),
        ("amqp://127.0.0.1:1/", {"PLT_AMQP_URL": "amqp://me:hunter2@h/"}, (2, "one of them")),
        (None, {}, (2, "PLT_AMQP_URL_FILE: expected a file that can be read: No such file")),
    ],
)
def test_scale_py_reads_the_url_in_a_file(
    tmp_path: Path, content: str | None, beside: dict[str, str], expected: tuple[int, str]
) -> None:
    file = tmp_path / "url"
    if content is not None:
        file.write_text(content)

    ended, output = output_of(SCALE_PY, PLT_AMQP_URL_FILE=str(file), **beside)

    assert ended == expected[0]
    assert expected[1] in output
    assert SECRET not in output


@needs("curl")
@pytest.mark.parametrize(
    "variables",
    [
        {"RABBITMQ_URL": "http://me:hunter2@127.0.0.1:1"},
        {"RABBITMQ_URL": "me:hunter2"},
        {"RABBITMQ_URL": "http://127.0.0.1:1/?p=hunter2"},
        {"RABBITMQ_URL": "http://127.0.0.1:1#hunter2"},
        {"RABBITMQ_URL": "http://me:hunter2"},
        {"RABBITMQ_URL": "http://127.0.0.1:1", "RABBITMQ_USER": "me:hunter2"},
        {"RABBITMQ_URL": "http://127.0.0.1:1", "RABBITMQ_PASSWORD": "hun\nter2"},
    ],
)
def test_scale_sh_reports_a_wrong_variable_without_showing_it(
    variables: dict[str, str],
) -> None:
    ended, output = output_of(SCALE_SH, **variables)

    assert ended == 2
    assert "(not shown): expected" in output
    assert SECRET not in output


@needs("curl")
def test_scale_sh_shows_only_scheme_and_host_of_an_unreachable_url() -> None:
    ended, output = output_of(SCALE_SH, RABBITMQ_URL="http://127.0.0.1:1/hunter2")

    assert ended == 1
    assert output.splitlines()[-1] == "scale.sh: no connection to http://127.0.0.1:1"
    assert SECRET not in output


def test_scale_py_connects_to_another_node_if_one_is_down(amqp_url: str) -> None:
    urls = f"amqp://me:hunter2@127.0.0.1:1/,{amqp_url}"

    ended, output = output_of(SCALE_PY, PLT_AMQP_URL=urls)

    assert ended == 1
    assert "no exchange 'machinist.events'" in output


def test_the_error_of_a_failed_rabbitmqctl_omits_the_arguments(
    rabbit: RabbitNode,
) -> None:
    with pytest.raises(Failed, match="rabbitmqctl change_password: ") as raised:
        rabbit.ctl("change_password", "nobody", "hunter2")

    assert SECRET not in str(raised.value)
