"""Pages of sorted keys. A token contains the last key of a page, so that a deletion between two
pages skips nothing."""

import base64
import binascii
from collections.abc import Iterable

from deploy.sandbox.aws.messages import Refusal

_MARK = "after:"


def page(
    keys: Iterable[str], size: int, token: str | None, refusal: Refusal
) -> tuple[list[str], str | None]:
    """Return the keys of a page and the next token; raise `refusal` for an invalid token."""
    rest = remaining(keys, token, refusal)
    if len(rest) <= size:
        return rest, None
    return rest[:size], token_after(rest[size - 1])


def remaining(keys: Iterable[str], token: str | None, refusal: Refusal) -> list[str]:
    after = _last_key(token, refusal) if token else ""
    return sorted(key for key in keys if key > after)


def token_after(key: str) -> str:
    return base64.urlsafe_b64encode(f"{_MARK}{key}".encode()).decode()


def _last_key(token: str, refusal: Refusal) -> str:
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise refusal from error
    if not text.startswith(_MARK):
        raise refusal
    return text.removeprefix(_MARK)
