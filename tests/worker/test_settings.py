"""The settings of a worker: additional rights of producers, and limits in bytes."""

import pytest

from contracts.process.environment import ConfigurationError, load
from worker.settings import Settings

BROKER = "amqp://localhost/"


def producers(text: str) -> dict[str, frozenset[str]]:
    """Return the operations that a value of PLT_PRODUCERS allows, by user."""
    environment = {"PLT_AMQP_URL": BROKER, "PLT_PRODUCERS": text}
    return load(Settings, environment).allowed_producers()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("deployer=delete_controller", {"deployer": {"delete_controller"}}),
        (
            "deployer=delete_controller+apply_service, router=apply_route_plan",
            {"deployer": {"delete_controller", "apply_service"}, "router": {"apply_route_plan"}},
        ),
        (" a=apply_service ,\n b=apply_secret ", {"a": {"apply_service"}, "b": {"apply_secret"}}),
        ("a=apply_service,a=delete_service", {"a": {"apply_service", "delete_service"}}),
        ("é-1.x@y=apply_service", {"é-1.x@y": {"apply_service"}}),
    ],
)
def test_users_are_allowed_the_listed_operations(text, expected):
    assert producers(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "deployer",
        "deployer=",
        "=apply_service",
        "deployer=apply_service+",
        "deployer=apply service",
        "de ployer=apply_service",
        "a=apply_service,",
        "a=apply_service,,b=apply_service",
        ",",
        " ",
        "a=apply_service;b=apply_service",
        "a=APPLY_SERVICE",
        "a=apply_service=delete_service",
    ],
)
def test_a_malformed_list_of_producers_is_refused_with_an_example(text):
    with pytest.raises(ConfigurationError) as raised:
        producers(text)

    assert str(raised.value).startswith("PLT_PRODUCERS")
    assert "expected broker users with the operations" in str(raised.value)
    assert "deployer=delete_controller+apply_service" in str(raised.value)


@pytest.mark.parametrize("name", ["launch_rocket", "get_machine", "delete_controllers"])
def test_the_refusal_of_an_unknown_command_names_it(name):
    with pytest.raises(ConfigurationError) as raised:
        producers(f"a=apply_service,b={name}")

    message = str(raised.value)
    assert message.startswith(f"PLT_PRODUCERS: {name!r} is not a command")
    assert "delete_controller" in message
    assert "get_machine," not in message


@pytest.mark.parametrize("variable", ["PLT_HELD_BYTES", "PLT_HELD_DISK_BYTES"])
@pytest.mark.parametrize("text", ["64MiB", "0", "-1", "1048575", "64 000 000"])
def test_a_limit_that_is_not_a_number_of_bytes_is_refused(variable, text):
    with pytest.raises(ConfigurationError) as raised:
        load(Settings, {"PLT_AMQP_URL": BROKER, variable: text})

    assert str(raised.value) == (
        f"{variable}={text!r}: expected a number of bytes from 1048576 to 1099511627776"
    )


def test_a_limit_in_bytes_is_read():
    environment = {"PLT_AMQP_URL": BROKER, "PLT_HELD_BYTES": "1048576"}
    assert load(Settings, environment).held_bytes == 1048576


def test_a_long_wrong_value_is_refused_at_once():
    with pytest.raises(ConfigurationError):
        producers("a=" + "x+" * 20_000 + "!")
