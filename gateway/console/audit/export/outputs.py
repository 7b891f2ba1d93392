"""The outputs of an export: lines in a file or on standard output, or Parquet files."""

import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Protocol

import click

from contracts.wire import Message
from gateway.audit.entries import Entry
from gateway.console.audit.export.rows import csv_header, csv_line, json_line, row_of
from gateway.console.audit.export.state import State
from gateway.console.checkpoint import sync_folder
from gateway.console.failures import Failure

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
"""The formats by the suffix of the output."""

Line = Callable[[Message, Entry | None], str]


class Output(Protocol):
    """Where an export writes records."""

    def add(self, message: Message, entry: Entry | None) -> None:
        """Write a record, or keep it until the next commit."""

    def commit(self) -> int:
        """Make all added records durable; return the size of the file."""

    def close(self) -> None:
        """Close without a commit."""


class Lines:
    """Records as lines of a file, or of standard output."""

    def __init__(self, file: BinaryIO, line: Line, *, is_durable: bool) -> None:
        self._file = file
        self._line = line
        self._is_durable = is_durable

    def add(self, message: Message, entry: Entry | None) -> None:
        """Write a record."""
        self._file.write(self._line(message, entry).encode())

    def commit(self) -> int:
        """Pass all lines to the disk or to the reader of the pipe; return the size of the file."""
        self._file.flush()
        if not self._is_durable:
            return 0
        os.fsync(self._file.fileno())
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        if self._is_durable:
            self._file.close()


def suffix_format(to: Path | None) -> str:
    """Return the format of an output by its suffix; raises UsageError for an unknown one."""
    if to is None:
        return "jsonl"
    form = FORMATS.get(to.suffix)
    if form is None:
        raise click.UsageError(f"--to: expected the suffix {', '.join(FORMATS)}, or --format")
    return form


def opened(to: Path | None, state: State) -> Output:
    """Return an output that continues at a state: what a killed process wrote later is removed."""
    if to is None:
        sys.stdout.buffer.write(_header(state.format))
        return Lines(sys.stdout.buffer, _line(state.format), is_durable=False)
    if state.format == "parquet":
        return _parquet(to, state.next or 0)
    file = to.open("r+b" if to.exists() else "x+b")
    sync_folder(to.parent)
    file.truncate(state.size)
    file.seek(state.size)
    if not state.size:
        file.write(_header(state.format))
    return Lines(file, _line(state.format), is_durable=True)


def _parquet(folder: Path, start: int) -> Output:
    try:
        parquet = import_module("gateway.console.audit.export.parquet")
    except ModuleNotFoundError as error:
        raise Failure(
            f"Parquet needs the library pyarrow: pip install 'machinist[parquet]' ({error})"
        ) from error
    output: Output = parquet.Parquet(folder, start)
    return output


def _line(form: str) -> Line:
    return json_line if form == "jsonl" else _csv_line


def _csv_line(message: Message, entry: Entry | None) -> str:
    return csv_line(row_of(message, entry))


def _header(form: str) -> bytes:
    return csv_header().encode() if form == "csv" else b""
