"""A secret text that is found in every encoding."""

import base64
import secrets
from collections.abc import Iterator

SHOWN = 60


class Canary:
    """Secrets with one random core, by which all of them are found."""

    def __init__(self) -> None:
        self.core = f"kanari{secrets.token_hex(10)}"
        self._encodings = {each for each in encodings(self.core) if each}

    def secret(self, kind: str) -> str:
        """Return a secret of a kind, with the core twice and characters that encoders escape."""
        return f'{kind}-{self.core}"\\/ä%+\n{self.core}'

    def found(self, text: bytes) -> str:
        """Return the first occurrence of the canary with its context; empty if there is none."""
        for encoding in self._encodings:
            at = text.find(encoding)
            if at >= 0:
                return ascii(text[max(0, at - SHOWN) : at + len(encoding) + SHOWN])
        return ""


def encodings(core: str) -> Iterator[bytes]:
    """Yield encodings of a text that also occur in the encodings of longer texts."""
    raw = core.encode()
    for text in (raw, *in_base64(raw)):
        yield text
        yield from in_base64(text)
        yield text.hex().encode()
        yield text.hex().upper().encode()
    yield "".join(f"%{byte:02X}" for byte in raw).encode()
    yield "".join(f"%{byte:02x}" for byte in raw).encode()
    yield "".join(f"\\u{byte:04x}" for byte in raw).encode()
    yield ",".join(map(str, raw)).encode()
    yield ", ".join(map(str, raw)).encode()
    yield core.encode("utf-16-le")


def in_base64(raw: bytes) -> Iterator[bytes]:
    """Yield the Base64 of bytes inside a longer text, for all three offsets modulo 3."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw)
        yield encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
