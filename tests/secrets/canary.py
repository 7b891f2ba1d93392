"""A text that is found again in whatever spelling it was written down."""

import base64
import secrets
from collections.abc import Iterator

SHOWN = 60


class Canary:
    """Secrets with one random core, by which every one of them is found."""

    def __init__(self) -> None:
        self.core = f"kanari{secrets.token_hex(10)}"
        self._spellings = {each for each in spellings(self.core) if each}

    def secret(self, kind: str) -> str:
        """A secret, told from the others of this canary by its kind; all of them are awkward."""
        return f'{kind}-{self.core}"\\/ä%+\n{self.core}'

    def found(self, text: bytes) -> str:
        """Where the canary is in a text, with what is around it; empty if it is not."""
        for spelling in self._spellings:
            at = text.find(spelling)
            if at >= 0:
                return ascii(text[max(0, at - SHOWN) : at + len(spelling) + SHOWN])
        return ""


def spellings(core: str) -> Iterator[bytes]:
    """How programs write a text; a longer one that contains it has these in it."""
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
    """What Base64 of any text with these bytes in it has in common, for each way they can lie."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + raw)
        yield encoded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
