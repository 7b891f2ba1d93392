"""Encrypts bodies that may hold secrets, so that no queue, stream, dead letter or log exposes one.

AES-256-GCM (NIST SP 800-38D). A sealed body is one version byte, the 8-byte name of the key, a
12-byte nonce and the ciphertext. Type, address and contract are the associated data, so a body that
is replayed under another type or address cannot be opened.
"""

import hmac
import os
from base64 import b64decode
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from contracts import CONTRACT
from contracts.faults import Code, Fault
from contracts.process.environment import ConfigurationError, Secret
from contracts.process.renewal import CHECK_INTERVAL_S, Renewed

SEALED = "application/vnd.machinist.sealed"

VERSION = b"\x01"
KEY_BYTES = 32
KEY_NAME_BYTES = 8
NONCE_BYTES = 12
HEAD_BYTES = len(VERSION) + KEY_NAME_BYTES + NONCE_BYTES


def is_sealed(body: bytes) -> bool:
    """Tell whether a body is sealed: JSON does not begin with the version byte."""
    return len(body) >= HEAD_BYTES and body.startswith(VERSION)


class Keys:
    """Keys by name, in the order of configuration."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.ciphers = {_name(key): AESGCM(key) for key in keys}
        self.digest_keys = {_name(key): _digest_key(key) for key in keys}
        self.first = next(iter(self.ciphers), None)


class Seals:
    """One or more keys: the first seals, all can open, so that keys can be rotated.

    Keys from a file are read again when the file changes, and before a body is refused.
    """

    def __init__(
        self, keys: Sequence[bytes] | Secret, interval_s: float = CHECK_INTERVAL_S
    ) -> None:
        """Take keys, or read them from PLT_SEAL_KEY; raises ConfigurationError."""
        if isinstance(keys, Secret):
            self._held = Renewed(lambda: Keys(_keys(keys)), keys.paths, interval_s)
        else:
            self._held = Renewed(lambda: Keys(keys), ())

    @property
    def can_seal(self) -> bool:
        """True if there is a key."""
        return self._held.current().first is not None

    @property
    def names(self) -> list[str]:
        """The names of the keys, the sealing one first; a name does not reveal its key."""
        return [name.hex() for name in self._held.current().ciphers]

    def seal(self, body: bytes, operation: str, address: str, like: bytes | None = None) -> bytes:
        """Return the sealed body; with `like`, it is sealed with the key of that sealed body."""
        keys = self._held.current()
        name = keys.first if like is None else _key_of(like)
        if name is None or name not in keys.ciphers:
            raise Fault(
                Code.SEALING_NOT_CONFIGURED,
                f"{operation} carries secrets and is only sent sealed: set PLT_SEAL_KEY",
            )
        nonce = os.urandom(NONCE_BYTES)
        associated = _associated_data(operation, address)
        ciphertext = keys.ciphers[name].encrypt(nonce, body, associated)
        return VERSION + name + nonce + ciphertext

    def open(self, body: bytes, operation: str, address: str) -> bytes:
        """Return the plain text of a body that was sealed for this operation on this address."""
        name = _key_of(body)
        if not is_sealed(body):
            raise Fault(Code.SEAL_NOT_OPENED, "expected a sealed body, got something else")
        keys = self._held.current()
        if name not in keys.ciphers:
            keys = self._held.renew()  # the other process may have read a changed file earlier
        if keys.first is None:
            raise Fault(
                Code.SEALING_NOT_CONFIGURED,
                f"the body of {operation} is sealed and this process has no key: set PLT_SEAL_KEY",
            )
        if name not in keys.ciphers:
            raise Fault(Code.SEAL_NOT_OPENED, _unknown(name, keys))
        try:
            return keys.ciphers[name].decrypt(
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
        key = self._held.current().digest_keys.get(_key_of(like))
        return None if key is None else hmac.digest(key, body, sha256).hex()


def reply_seal(correlation_id: str | None, operation: str) -> tuple[str, str]:
    """Return operation and address for sealing a reply, so that it opens for its request only."""
    return f"reply to {operation}", correlation_id or ""


def _keys(secret: Secret) -> list[bytes]:
    parts = [part.strip() for part in secret.read().split(",") if part.strip()]
    if secret.paths and not parts:
        raise _wrong(secret, "no key")
    return [_key(part, secret) for part in parts]


def _key(text: str, secret: Secret) -> bytes:
    try:
        key = b64decode(text, validate=True)
    except ValueError:
        raise _wrong(secret, "a text that is not Base64") from None
    if len(key) != KEY_BYTES:
        raise _wrong(secret, f"{len(key)} bytes")
    return key


def _wrong(secret: Secret, got: str) -> ConfigurationError:
    return secret.wrong(
        f"expected Base64 of {KEY_BYTES} bytes, or several such keys separated by commas; got {got}"
    )


def _unknown(name: bytes, keys: Keys) -> str:
    held = ", ".join(key.hex() for key in keys.ciphers) or "none"
    return (
        f"the body is sealed with key {name.hex()}, this process holds {held}: "
        "PLT_SEAL_KEY of gateway and worker must share a key"
    )


def _key_of(body: bytes) -> bytes:
    return body[len(VERSION) : len(VERSION) + KEY_NAME_BYTES]


def _name(key: bytes) -> bytes:
    return sha256(b"machinist key name" + key).digest()[:KEY_NAME_BYTES]


def _digest_key(key: bytes) -> bytes:
    return hmac.digest(key, b"machinist digest key", sha256)


def _associated_data(operation: str, address: str) -> bytes:
    return f"machinist {CONTRACT}\n{operation}\n{address}".encode()
