"""Configuration: an error has the variable, its value unless secret, and the expected value."""

from typing import Annotated

import msgspec
import pytest
from msgspec import Meta, Struct

from contracts.process.environment import (
    AmqpUrls,
    ConfigurationError,
    Level,
    Port,
    Secret,
    Url,
    load,
    variable,
)

BROKER = "amqp://guest:guest@localhost:5672/"


class Settings(Struct, frozen=True):
    """One variable of each kind."""

    amqp_url: AmqpUrls
    api_url: Url = "https://localhost:6443"
    port: Port = 3042
    logger_level: Level = "info"
    verify: bool = True
    ratio: Annotated[float, Meta(ge=0, le=1, description="a number from 0 to 1")] = 0.5
    pin: Annotated[Secret, Meta(pattern=r"^\d{4}\Z", description="4 digits")] = Secret()
    attempts: int = 3


def values_of(settings: Settings) -> dict[str, object]:
    """Return the values of the fields; of a secret, its text."""
    values = msgspec.structs.asdict(settings)
    return {k: v.read() if isinstance(v, Secret) else v for k, v in values.items()}


DEFAULTS = values_of(Settings(Secret(BROKER)))


def loaded(**environment: str) -> Settings:
    """Return the settings from a broker URL and these variables, by field."""
    return load(Settings, {variable(f): v for f, v in {"amqp_url": BROKER, **environment}.items()})


def complaint(**environment: str) -> str:
    """Return the error message for these variables."""
    with pytest.raises(ConfigurationError) as raised:
        loaded(**environment)
    return str(raised.value)


def test_an_unset_variable_has_its_default():
    assert values_of(loaded()) == DEFAULTS


def test_an_empty_variable_counts_as_unset():
    empty = loaded(port="", logger_level="", verify="", pin="")

    assert values_of(empty) == DEFAULTS
    assert not empty.pin


def test_set_variables_are_parsed():
    settings = loaded(port="8080", logger_level="debug", verify="false", ratio="0.25", pin="1234")

    assert values_of(settings) == DEFAULTS | {
        "port": 8080,
        "logger_level": "debug",
        "verify": False,
        "ratio": 0.25,
        "pin": "1234",
    }


def test_unknown_variables_are_ignored():
    environment = {"PLT_AMQP_URL": BROKER, "PLT_PORTS": "x", "PORT": "x", "plt_port": "x"}

    assert values_of(load(Settings, environment)) == DEFAULTS


@pytest.mark.parametrize("empty", [{}, {"PLT_AMQP_URL": ""}])
def test_a_missing_required_variable_is_reported_with_an_example(empty):
    with pytest.raises(ConfigurationError) as raised:
        load(Settings, empty)

    assert str(raised.value) == (
        "PLT_AMQP_URL is not set: expected one or more URLs such as "
        "amqp://user:password@host:5672/, separated by commas"
    )


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("port", "http", "a port from 0 to 65535"),
        ("port", "70000", "a port from 0 to 65535"),
        ("port", "-1", "a port from 0 to 65535"),
        ("port", "80.5", "a port from 0 to 65535"),
        ("port", "80 ", "a port from 0 to 65535"),
        ("logger_level", "loud", "trace, debug, info, warn, error, fatal or silent"),
        ("logger_level", "info\n", "trace, debug, info, warn, error, fatal or silent"),
        ("api_url", "localhost:6443", "a URL such as https://host:port"),
        ("api_url", "ftp://localhost", "a URL such as https://host:port"),
        ("ratio", "2", "a number from 0 to 1"),
        ("ratio", "half", "a number from 0 to 1"),
        ("verify", "perhaps", "Expected `bool`"),
        ("attempts", "many", "Expected `int`"),
    ],
)
def test_a_wrong_variable_is_reported_with_its_value_and_the_expected_value(field, value, expected):
    message = complaint(**{field: value})

    assert message.startswith(f"PLT_{field.upper()}={value!r}: expected ")
    assert expected in message
    assert "\n" not in message


def test_a_secret_is_not_shown():
    assert complaint(pin="canary") == "PLT_PIN=(not shown): expected 4 digits"
    assert "1234" not in repr(loaded(pin="1234"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("port", "user:canary"),
        ("api_url", "user:canary"),
        ("api_url", "token=canary"),
        ("logger_level", "canary" * 20),
        ("amqp_url", "amqp:/guest:canary@localhost"),
        ("amqp_url", "amqp://guest:canary@a b"),
        ("api_url", "ftp://root:canary@localhost"),
        ("port", "https://root:canary@localhost"),
    ],
)
def test_a_possible_password_is_not_shown_whichever_variable_contains_it(field, value):
    message = complaint(**{field: value})

    assert message.startswith(f"PLT_{field.upper()}=(not shown): expected ")
    assert "canary" not in message


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("https://h:6443/?token=canary", "https://h:6443…"),
        ("https://h/path#canary", "https://h…"),
        ("https://user:canary?", "https://user…"),
        ("ftp://h/canary", "ftp://h…"),
        ("ftp://h", "ftp://h"),
    ],
)
def test_only_scheme_and_host_of_a_wrong_url_are_shown(value, shown):
    assert complaint(api_url=value).startswith(f"PLT_API_URL={shown!r}: expected a URL such as")


def test_all_wrong_variables_are_reported_at_once():
    lines = complaint(amqp_url="x", port="y", logger_level="z").splitlines()

    assert [line.partition("=")[0] for line in lines] == [
        "PLT_AMQP_URL",
        "PLT_PORT",
        "PLT_LOGGER_LEVEL",
    ]


@pytest.mark.parametrize(
    "urls",
    [
        "amqp://localhost",
        "amqps://user:p%40ss@broker.example:5671/team",
        "amqp://a:5672/,amqps://b:5671/",
        "amqp://a , amqp://b",
        "amqp://a_b.example.:5672//",
        f"amqp://u:a;b@{'a' * 63}.example/team?cafile=/etc/ca.crt",
        "amqp://[::1]:5672/a:b",
    ],
)
def test_one_or_more_broker_urls_are_accepted(urls):
    assert loaded(amqp_url=urls).amqp_url.read() == urls
