"""`machinist audit export`: the records of the audit in files, each once."""

from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import click

from gateway.console.audit.export.outputs import FORMATS, opened, suffix_format
from gateway.console.audit.export.session import Export
from gateway.console.audit.export.state import State, begun
from gateway.console.audit.options import filter_options, filters_of
from gateway.console.broker import on_broker
from gateway.console.checkpoint import Checkpoint
from gateway.console.failures import file_errors
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.output import note, progress

PATH = click.Path(path_type=Path)


@console_command(
    "export",
    example="""
        audit export --to audit.jsonl
        audit export --to failed.csv --since 1d --result failed
        audit export --scope default
    """,
)
@click.option("--to", type=PATH, help="The file, or the folder of Parquet files.")
@click.option(
    "--format",
    "form",
    type=click.Choice(sorted(set(FORMATS.values()))),
    help="By default the suffix of --to, or jsonl.",
)
@click.option(
    "--checkpoint",
    type=PATH,
    help="The file from which the next export goes on; by default --to with .checkpoint.",
)
@click.option(
    "--part",
    type=click.IntRange(1, 100_000),
    default=10_000,
    show_default=True,
    help="The records between two checkpoints, and in a Parquet file.",
)
@filter_options
def command(
    to: Path | None, form: str | None, checkpoint: Path | None, part: int, **conditions: Any
) -> int:
    """Write the records of the audit to a file, each once, or to standard output.

    The same command again adds the records since then, also after it was killed: the file is cut
    to its size at the checkpoint. If the file was moved away, a new one begins with the next
    record. The filters are compared with each record, and are kept in the checkpoint; --since
    counts for the first export only.

    \b
    jsonl    a record as in the audit, with the members offset and traceparent
    csv      one line a record; a text that may be a formula begins with '
    parquet  the columns of csv; needs machinist[parquet]

    A record that cannot be decoded has its offset, and its body in Base64 as `undecoded`. Standard
    output has no checkpoint by default; with one, an export that was killed repeats up to --part
    records: a reader drops those whose offset is not larger than the last. The status is 1 if the
    stream removed records before their export.
    """
    asked = State(format=form or suffix_format(to), filters=filters_of(conditions))
    if to is None and asked.format == "parquet":
        raise click.UsageError("--format parquet needs --to, the folder of its files")
    if to is not None and checkpoint is None:
        checkpoint = to.with_name(f"{to.name}.checkpoint")
    with ExitStack() as contexts:
        contexts.enter_context(file_errors(to))
        state, save = asked, _forget
        if checkpoint is not None:
            kept = contexts.enter_context(Checkpoint(checkpoint, State))
            state, save = begun(kept.load(), asked, to), kept.save
        output = contexts.enter_context(closing(opened(to, state)))
        save(state)
        with progress("records read", beside_rows=to is None) as show:
            export = Export(state, output, part, save, show)
            on_broker("audit export", export.run)
        missing = export.state.missing
        _report(export, to, missing)
        export.reported()
    return 1 if missing else 0


def _forget(state: State) -> None: ...


def _report(export: Export, to: Path | None, missing: int) -> None:
    """Tell what was exported."""
    where = f" to {to}" if to else ""
    note(f"{export.exported:,} of {export.read:,} records exported{where}")
    if export.undecoded:
        note(f"{export.undecoded:,} of them could not be decoded: their bodies are in Base64")
    if missing:
        note(
            f"up to {missing:,} records are missing: the stream's limits of size and age removed "
            "them before this export; run it more often, or raise the limits"
        )
