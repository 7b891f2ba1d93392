"""Encrypts bodies that may hold secrets, so that no queue, stream, dead letter or log exposes one.

AES-256-GCM (NIST SP 800-38D). A sealed body is one version byte, the 8-byte name of the key, a
12-byte nonce and the ciphertext. Type, address and contract are the associated data, so a body that
is replayed under another type or address cannot be opened.
"""

import hmac
import os
from base64 import b64decode
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts import CONTRACT
from contracts.environment import ConfigurationError
from contracts.faults import Code, Fault

SEALED = "application/vnd.machinist.sealed"

VERSION = b"\x01"
KEY_BYTES = 32
KEY_NAME_BYTES = 8
NONCE_BYTES = 12
HEAD_BYTES = len(VERSION) + KEY_NAME_BYTES + NONCE_BYTES


def is_sealed(body: bytes) -> bool:
    """Tell whether a body is sealed: JSON does not begin with the version byte."""
    return len(body) >= HEAD_BYTES and body.startswith(VERSION)


class Seals:
    """One or more keys: the first seals, all can open, so that keys can be rotated."""

    def __init__(self, keys: list[bytes]) -> None:
        self._keys = {_name(key): AESGCM(key) for key in keys}
        self._digest_keys = {_name(key): _digest_key(key) for key in keys}
        self._first = next(iter(self._keys), None)

    @classmethod
    def from_text(cls, text: str) -> "Seals":
        """Return the keys in PLT_SEAL_KEY; raises ConfigurationError."""
        return cls([_key(part.strip()) for part in text.split(",") if part.strip()])

    @property
    def can_seal(self) -> bool:
        """True if there is a key."""
        return self._first is not None

    def seal(self, body: bytes, operation: str, address: str, like: bytes | None = None) -> bytes:
        """Return the sealed body; with `like`, it is sealed with the key of that sealed body."""
        name = self._first if like is None else _key_of(like)
        if name is None or name not in self._keys:
            raise Fault(
                Code.SEALING_NOT_CONFIGURED,
                f"{operation} carries secrets and is only sent sealed: set PLT_SEAL_KEY",
            )
        nonce = os.urandom(NONCE_BYTES)
        associated = _associated_data(operation, address)
        ciphertext = self._keys[name].encrypt(nonce, body, associated)
        return VERSION + name + nonce + ciphertext

    def open(self, body: bytes, operation: str, address: str) -> bytes:
        """Return the plain text of a body that was sealed for this operation on this address."""
        name = _key_of(body)
        if not is_sealed(body):
            raise Fault(Code.SEAL_NOT_OPENED, "expected a sealed body, got something else")
        key = self._keys.get(name)
        if not self.can_seal:
            raise Fault(
                Code.SEALING_NOT_CONFIGURED,
                f"the body of {operation} is sealed and this worker has no key: set PLT_SEAL_KEY",
            )
        if key is None:
            raise Fault(Code.SEAL_NOT_OPENED, self._unknown(name))
        try:
            return key.decrypt(
                body[HEAD_BYTES - NONCE_BYTES : HEAD_BYTES],
                body[HEAD_BYTES:],
                _associated_data(operation, address),
            )
        except InvalidTag as error:
            raise Fault(
                Code.SEAL_NOT_OPENED,
                f"the body was changed, or not sealed for {operation} on {address}",
            ) from error

    def digest(self, body: bytes, like: bytes) -> str | None:
        """Return a digest of a body under the key of the sealed body `like`, None without the key.

        An unkeyed digest would reveal a body that has few possible values.
        """
        key = self._digest_keys.get(_key_of(like))
        return None if key is None else hmac.digest(key, body, sha256).hex()

    def _unknown(self, name: bytes) -> str:
        held = ", ".join(key.hex() for key in self._keys) or "none"
        return (
            f"the body is sealed with key {name.hex()}, the worker holds {held}: "
            "PLT_SEAL_KEY of gateway and worker must share a key"
        )


def reply_seal(correlation_id: str | None, operation: str) -> tuple[str, str]:
    """Return operation and address for sealing a reply, so that it opens for its request only."""
    return f"reply to {operation}", correlation_id or ""


def _key(text: str) -> bytes:
    try:
        key = b64decode(text, validate=True)
    except ValueError as error:
        raise _wrong("a text that is not Base64") from error
    if len(key) != KEY_BYTES:
        raise _wrong(f"{len(key)} bytes")
    return key


def _wrong(got: str) -> ConfigurationError:
    return ConfigurationError(
        f"PLT_SEAL_KEY=(not shown): expected Base64 of {KEY_BYTES} bytes, or several such "
        f"keys separated by commas; got {got}"
    )


def _key_of(body: bytes) -> bytes:
    return body[len(VERSION) : len(VERSION) + KEY_NAME_BYTES]


def _name(key: bytes) -> bytes:
    return sha256(b"machinist key name" + key).digest()[:KEY_NAME_BYTES]


def _digest_key(key: bytes) -> bytes:
    return hmac.digest(key, b"machinist digest key", sha256)


def _associated_data(operation: str, address: str) -> bytes:
    return f"machinist {CONTRACT}\n{operation}\n{address}".encode()
