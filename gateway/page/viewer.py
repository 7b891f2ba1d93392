"""A viewer of the page: what its subject may read, and the outcomes that it asks for."""

from msgspec import Struct

from contracts.records.results import Result
from gateway.identity.guard import Guard
from gateway.identity.requester import Subject
from gateway.page.rows import Row, scope_of


class Wanted(Struct, frozen=True):
    """A filter of outcomes: their results, and a text in their row; empty means all."""

    results: frozenset[Result] = frozenset()
    text: str = ""

    def match(self, row: Row) -> bool:
        """Tell whether a row meets the filter; the case of the text does not matter."""
        if self.results and row.result not in self.results:
            return False
        if not self.text:
            return True
        columns = (row.id, row.operation, row.provider, row.address, row.by, row.what)
        return self.text.lower() in "\n".join(columns).lower()


class Viewer:
    """The rights are looked up for each row, so that a changed file of rights has an effect."""

    def __init__(self, guard: Guard, subject: Subject | None, wanted: Wanted) -> None:
        self._guard = guard
        self._wanted = wanted
        self.subject = subject

    @property
    def key(self) -> object:
        """Viewers with the same key see the same outcomes."""
        return self.subject, self._wanted

    def knows(self, provider: str) -> bool:
        """Tell whether the viewer may know a provider."""
        return self._guard.may_read(self.subject, provider)

    def may_read(self, provider: str, address: str) -> bool:
        """Tell whether the viewer may read what is recorded of an address."""
        return self._guard.may_read(self.subject, provider, scope_of(address))

    def may_see(self, row: Row) -> bool:
        """Tell whether the viewer may read a row."""
        return self.may_read(row.provider, row.address)

    def shows(self, row: Row) -> bool:
        """Tell whether the viewer asks for a row and may read it."""
        return self._wanted.match(row) and self.may_see(row)
