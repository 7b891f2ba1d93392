"""A folder of Parquet files, each complete; needs pyarrow, of the extra `parquet`."""

import os
from datetime import datetime
from pathlib import Path
from typing import get_args

import msgspec
import pyarrow
from pyarrow.parquet import write_table

from contracts.wire import Message
from gateway.audit.entries import Entry
from gateway.console.audit.export.rows import Row, row_of
from gateway.console.checkpoint import sync_folder

TYPES = {
    int: pyarrow.int64(),
    str: pyarrow.string(),
    datetime: pyarrow.timestamp("us", tz="UTC"),
}
SCHEMA = pyarrow.schema(
    [
        (field.name, TYPES[get_args(field.type)[0] if get_args(field.type) else field.type])
        for field in msgspec.structs.fields(Row)
    ]
)

NAME = "audit-{:020}.parquet"
"""The name of a file, with the offset of its first record."""

UNFINISHED = "unfinished.tmp"


class Parquet:
    """Records as Parquet files, one for each commit."""

    def __init__(self, folder: Path, start: int) -> None:
        """Files from the offset `start` on are of a process that was killed, and are removed."""
        folder.mkdir(exist_ok=True)
        for path in folder.glob("audit-*.parquet"):
            if path.name >= NAME.format(start):
                path.unlink()
        self._folder = folder
        self._rows: list[Row] = []

    def add(self, message: Message, entry: Entry | None) -> None:
        """Keep a record."""
        self._rows.append(row_of(message, entry))

    def commit(self) -> int:
        """Write the records that were added, if any, to a file."""
        if self._rows:
            new = self._folder / UNFINISHED
            write_table(_table(self._rows), new, compression="zstd")
            with new.open("rb") as file:
                os.fsync(file.fileno())
            new.replace(self._folder / NAME.format(self._rows[0].offset))
            sync_folder(self._folder)
        self._rows = []
        return 0

    def close(self) -> None:
        """Forget the records that were added since the last commit."""
        self._rows = []


def _table(rows: list[Row]) -> pyarrow.Table:
    columns = zip(*map(msgspec.structs.astuple, rows), strict=True)
    arrays = [
        pyarrow.array(values, type=field.type)
        for values, field in zip(columns, SCHEMA, strict=True)
    ]
    return pyarrow.table(arrays, schema=SCHEMA)
