"""The sender of a request: its subject, and the address from which it came."""

from msgspec import Struct

SUBJECT_LIMIT = 255
"""The maximal number of characters of a subject, as in OpenID Connect Core §2."""


class Subject(Struct, frozen=True):
    """An authenticated client: its name, and the groups that its token names."""

    name: str
    groups: tuple[str, ...] = ()


class Requester(Struct, frozen=True):
    """The sender of a request; `subject` is None without authentication."""

    address: str | None = None
    subject: Subject | None = None

    @property
    def name(self) -> str | None:
        """The requester for the audit: the subject, without authentication the client's address."""
        return self.address if self.subject is None else self.subject.name


def is_name(text: object) -> bool:
    """Tell whether a value can be the name of a subject or of a group."""
    return isinstance(text, str) and 1 <= len(text) <= SUBJECT_LIMIT and text.isprintable()
