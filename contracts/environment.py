"""Reads the `PLT_*` variables into a frozen settings struct; errors name every wrong variable."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

from contracts.validation import describe

PREFIX = "PLT_"

URL_TO_HOST = re.compile(r"[a-z]{2,8}://[A-Za-z0-9.-]+(:[0-9]{1,5})?(?![^/?#:])")
PLAIN = re.compile(rf"[\w\s.,;/-]{{0,32}}(:[0-9]{{1,5}})?|{URL_TO_HOST.pattern}/?|arn:aws[\w:/.-]*")

Settings = TypeVar("Settings", bound=msgspec.Struct)

Port = Annotated[int, Meta(ge=0, le=65535, description="a port from 0 to 65535")]
MetricsPort = Annotated[
    Annotated[int, Meta(ge=0, le=65535)] | Literal["off"],
    Meta(description="a port from 0 to 65535, or off; if it is not set, 9090 where that is free"),
]
Host = Annotated[str, Meta(pattern=r"^[^\s/]+\Z", description="an address to listen on")]
Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?\Z",
        description="a URL such as https://host:port or https://host/path, without user and query",
    ),
]
# No resolver accepts a name with a label that is empty or longer than 63 characters.
_LABEL = r"[^\s,;/?#@:.\[\]]{1,63}"
_HOST = rf"(\[[0-9A-Fa-f:.]+\]|{_LABEL}(\.{_LABEL})*\.?)"
_PORT = r"(:([0-9]{1,4}|[1-5][0-9]{4}|6([0-4][0-9]{3}|5([0-4][0-9]{2}|5([0-2][0-9]|3[0-5])))))?"
# A ';', '@' or '://' after the host means a second URL, or an unescaped '/' in the password.
_AMQP_URL = rf"amqps?://([^\s,/?#]*@)?{_HOST}{_PORT}([/?]((?!://)[^\s,;@])*)?"
SECRET = {"secret": True}
"""Meta(extra=SECRET) keeps the value of a variable out of error messages."""

AmqpUrls = Annotated[
    str,
    Meta(
        # An invalid URL may contain a password anywhere.
        extra=SECRET,
        pattern=rf"^\s*{_AMQP_URL}(\s*,\s*{_AMQP_URL})*\s*\Z",
        description="one or more URLs such as amqp://user:password@host:5672/, separated by commas",
    ),
]
Level = Annotated[
    str,
    Meta(
        pattern=r"^(trace|debug|info|warn|warning|error|fatal|silent)\Z",
        description="trace, debug, info, warn, error, fatal or silent",
    ),
]


class ConfigurationError(Exception):
    """A variable has a wrong value; the message has its name, its value and the expected value."""


def variable(field: str) -> str:
    """Return the name of the environment variable of a field."""
    return PREFIX + field.upper()


def load(settings: type[Settings], environment: Mapping[str, str]) -> Settings:
    """Return the settings in an environment; raise one error that names every wrong variable."""
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for field in msgspec.structs.fields(settings):
        text = environment.get(variable(field.name), "")
        if not text:
            if field.required:
                wrong.append(f"{variable(field.name)} is not set: expected {describe(field.type)}")
            continue
        try:
            values[field.name] = msgspec.convert(text, field.type, strict=False)
        except msgspec.ValidationError as error:
            wrong.append(_explained(field, text, error))
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return settings(**values)


def _explained(field: Any, text: str, error: msgspec.ValidationError) -> str:
    reason = describe(field.type) or str(error)
    value = "(not shown)" if _is_secret(field.type) else shown(text)
    return f"{variable(field.name)}={value}: expected {reason}"


def _is_secret(expected: Any) -> bool:
    metas = getattr(expected, "__metadata__", ())
    return any(isinstance(meta, Meta) and (meta.extra or {}).get("secret") for meta in metas)


def shown(text: str) -> str:
    """Return a wrong value as shown in errors: plain words, or scheme and host of a URL.

    Any other value may contain a secret that was assigned to the wrong variable.
    """
    if PLAIN.fullmatch(text):
        return repr(text)
    host = URL_TO_HOST.match(text)
    return "(not shown)" if host is None or "@" in text else repr(f"{host[0]}…")
