"""The canary is found in every encoding, as its absence would prove nothing otherwise."""

import base64
import json
from urllib.parse import quote

import msgspec
import pytest

from tests.secrets.canary import Canary

SPELLINGS = {
    "as plain text": str.encode,
    "as JSON": lambda text: msgspec.json.encode({"a": text}),
    "as JSON in ASCII": lambda text: json.dumps(text).encode(),
    "as JSON in JSON": lambda text: json.dumps(json.dumps({"a": text})).encode(),
    "as Python's ascii()": lambda text: ascii(text).encode(),
    "as repr() of bytes": lambda text: repr(text.encode()).encode(),
    "in a URL": lambda text: quote(text, safe="").encode(),
    "with each byte escaped": lambda text: b"".join(b"%%%02x" % each for each in text.encode()),
    "with each character escaped": lambda text: "".join(
        f"\\u{ord(each):04x}" for each in text
    ).encode(),
    "in Base64": lambda text: base64.b64encode(text.encode()),
    "in URL-safe Base64": lambda text: base64.urlsafe_b64encode(text.encode()),
    "twice in Base64": lambda text: base64.b64encode(b"a:" + base64.b64encode(text.encode())),
    "in hex": lambda text: text.encode().hex().encode(),
    "in upper-case hex": lambda text: text.encode().hex().upper().encode(),
    "as Erlang's list of bytes": lambda text: ",".join(map(str, text.encode())).encode(),
    "as Python's list of bytes": lambda text: str(list(text.encode())).encode(),
    "in UTF-16": lambda text: text.encode("utf-16"),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_a_canary_is_found_in_every_encoding(spell, before):
    canary = Canary()

    assert canary.found(b"\x00before " + spell(before + canary.secret("password")) + b" after")


def test_a_canary_is_not_found_in_another_text():
    assert not Canary().found(Canary().secret("password").encode())
