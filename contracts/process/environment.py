"""Reads the `PLT_*` variables into a frozen settings struct; errors name every wrong variable.

A field of the type Secret has two variables: `PLT_NAME` with the value, or `PLT_NAME_FILE` with the
path of a file that contains it and is read again while the process runs
(`contracts/process/renewal.py`).
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

from contracts.checks.validation import describe

PREFIX = "PLT_"
FILE = "_FILE"
MAX_SECRET_BYTES = 64 * 1024

URL_TO_HOST = re.compile(r"[a-z]{2,8}://[A-Za-z0-9.-]+(:[0-9]{1,5})?(?![^/?#:])")
PLAIN = re.compile(rf"[\w\s.,;/-]{{0,32}}(:[0-9]{{1,5}})?|{URL_TO_HOST.pattern}/?|arn:aws[\w:/.-]*")
# Base64 of a key ends with '=', and a URL has a ':' or no '/' at its start.
PATH = re.compile(r"\.{0,2}/[\w .,@+/-]{0,255}")

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


class ConfigurationError(Exception):
    """A variable has a wrong value; the message has its name, its value and the expected value."""


class Secret:
    """The value of a secret variable, or the file that contains it; true if there is one.

    The value appears in no error message. `form` is the type of the text, for its validation.
    """

    def __init__(
        self, text: str = "", name: str = "", path: str | None = None, form: Any = str
    ) -> None:
        """`name` is the variable of the value, `path` the file of its `_FILE` twin."""
        self.name = name
        self.path = path
        self._text = text
        self._form = form

    def __bool__(self) -> bool:
        return self.path is not None or bool(self._text)

    def __repr__(self) -> str:
        return f"<Secret {self.source}>"

    @property
    def paths(self) -> tuple[str, ...]:
        """The file to watch for changes, if there is one."""
        return () if self.path is None else (self.path,)

    def read(self) -> str:
        """Return the value; a file is read again. Raises ConfigurationError."""
        text = self._text if self.path is None else self._content(self.path)
        try:
            return msgspec.convert(text, self._form) if self else text
        except msgspec.ValidationError as error:
            raise self.wrong(f"expected {describe(self._form) or error}") from None

    def wrong(self, expected: str) -> ConfigurationError:
        """Return the error of an unusable value; `expected` describes the expected value."""
        return ConfigurationError(f"{self.source}: {expected}")

    @property
    def source(self) -> str:
        """The variable and its path as shown in errors, without the value."""
        if self.path is None:
            return f"{self.name}=(not shown)"
        return f"{self.name}{FILE}={shown_path(self.path)} (content not shown)"

    def _content(self, path: str) -> str:
        """Return the content of the file without line breaks at its end."""
        file = Path(path)
        try:
            # Opening a named pipe would wait for a writer.
            if file.exists() and not file.is_file():
                raise self.wrong("expected a regular file")
            with file.open("rb") as opened:
                content = opened.read(MAX_SECRET_BYTES + 1)
        except OSError as error:
            raise self.wrong(f"expected a file that can be read: {error.strerror}") from None
        if len(content) > MAX_SECRET_BYTES:
            raise self.wrong(f"expected a file of at most {MAX_SECRET_BYTES} bytes")
        try:
            text = content.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise self.wrong("expected a file with text in UTF-8") from None
        if not text.strip():
            raise self.wrong("expected a file with a value, the file is empty")
        return text


AmqpUrls = Annotated[
    Secret,
    Meta(
        # An invalid URL may contain a password anywhere.
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


def variable(field: str) -> str:
    """Return the name of the environment variable of a field."""
    return PREFIX + field.upper()


def load(settings: type[Settings], environment: Mapping[str, str]) -> Settings:
    """Return the settings in an environment; raise one error that names every wrong variable."""
    values: dict[str, Any] = {}
    wrong: list[str] = []
    for field in msgspec.structs.fields(settings):
        try:
            if secret_form(field.type) is not None:
                value = _secret(field, environment)
            else:
                value = _value(field, environment)
        except ConfigurationError as error:
            wrong.append(str(error))
            continue
        if value:
            values[field.name] = value[0]
        elif field.required:
            wrong.append(f"{variable(field.name)} is not set: expected {describe(field.type)}")
    if wrong:
        raise ConfigurationError("\n".join(wrong))
    return settings(**values)


def secret_form(expected: Any) -> Any | None:
    """Return the type of a secret's text for the type of a field, None if it is not a Secret."""
    if expected is Secret:
        return str
    if get_origin(expected) is Annotated and get_args(expected)[0] is Secret:
        return Annotated[(str, *get_args(expected)[1:])]
    return None


def _value(field: Any, environment: Mapping[str, str]) -> tuple[Any] | None:
    text = environment.get(variable(field.name), "")
    if not text:
        return None
    try:
        return (msgspec.convert(text, field.type, strict=False),)
    except msgspec.ValidationError as error:
        expected = describe(field.type) or error
        raise ConfigurationError(
            f"{variable(field.name)}={shown(text)}: expected {expected}"
        ) from None


def _secret(field: Any, environment: Mapping[str, str]) -> tuple[Secret] | None:
    name = variable(field.name)
    text, path = environment.get(name, ""), environment.get(name + FILE, "")
    if text and path:
        raise ConfigurationError(f"{name} and {name}{FILE} are both set: expected only one of them")
    if not text and not path:
        return None
    secret = Secret(text, name, path or None, secret_form(field.type))
    secret.read()
    return (secret,)


def shown(text: str) -> str:
    """Return a wrong value as shown in errors: plain words, or scheme and host of a URL.

    Any other value may contain a secret that was assigned to the wrong variable.
    """
    if PLAIN.fullmatch(text):
        return repr(text)
    host = URL_TO_HOST.match(text)
    return "(not shown)" if host is None or "@" in text else repr(f"{host[0]}…")


def shown_path(text: str) -> str:
    """Return a path as shown in errors; another value may be a secret instead of its path."""
    return repr(text) if PATH.fullmatch(text) else "(not shown)"
