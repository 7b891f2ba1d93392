"""`machinist dead retry`: runs the commands of dead letters again."""

import os
from typing import BinaryIO

import click
import msgspec

from contracts.checks.json_limits import MESSAGES, decode
from contracts.faults import Fault
from contracts.printable import printable
from contracts.process.environment import load
from contracts.records.command_ids import new_command_id
from contracts.seal import Seals
from gateway.console.calls import with_rpc
from gateway.console.dead.letters import fingerprint
from gateway.console.dead.options import confirmed, selected, selection_options
from gateway.console.dead.queue import Letter, find
from gateway.console.dead.retrying import Retry, opened, retry_of, with_replicas
from gateway.console.dead.run import Retrying
from gateway.console.failures import Failure
from gateway.console.settings import SealSettings
from gateway.console.terminal.command_line import command as console_command
from gateway.console.terminal.output import json_option, note


@console_command(
    "retry",
    example="""
        dead retry 019ad2c0f1e07a3b
        dead retry 019ad2c0f1e07a3b --replicas 3
        dead retry --all --reason 'routing key' --yes
    """,
)
@selection_options
@click.option("--replicas", type=int, metavar="N", help="Scale to this number instead.")
@click.option("--body", type=click.File("rb"), metavar="FILE", help="Run this body; - is stdin.")
@click.option("--edit", is_flag=True, help="Edit the body in $EDITOR before.")
@json_option
def command(
    ids: tuple[str, ...],
    is_all: bool,
    yes: bool,
    replicas: int | None,
    body: BinaryIO | None,
    edit: bool,
    as_json: bool,
    **conditions: str,
) -> int:
    """Run the commands of dead letters again, oldest first, and wait for each reply.

    A retry is a new command with a new id and a new deadline, to the partition that its body names.
    The requester is the broker user of this command line; the audit has the old id as `retries` in
    the request. An edited body is validated before anything is published. A sealed body is sent as
    it is; to edit it, PLT_SEAL_KEY must have its key, and $EDITOR gets it in plain text.

    A letter is removed when its retry was answered. It stays if there was no answer, or one that
    another retry may change (429, 500, 502, 503, 504). If this command is killed between the answer
    and the removal, the command has been executed and its letter is still there: before a second
    retry, look in the audit for the new id, which is printed before the retry.
    """
    wanted = selected(ids, is_all=is_all, **conditions)
    edits = sum((replicas is not None, body is not None, edit))
    if edits > 1 or (edits and len(ids) != 1):
        raise click.UsageError("expected one ID and one of --replicas, --body and --edit")
    seals = Seals(load(SealSettings, os.environ).seal_key)
    found = find("dead retry", wanted)
    if not found:
        return 0
    shown = [each.shown for each in found]
    if is_all and not confirmed(f"Run {len(found):,} commands again?", shown, yes=yes):
        return 1
    if edits:
        planned = {fingerprint(found[0].message): _edited(found[0], seals, replicas, body)}
        refused = 0
    else:
        planned, refused = _plan(found, seals)
    retrying = Retrying(planned, as_json=as_json)
    if planned:
        with_rpc("dead retry", retrying.run)
    return 1 if refused or retrying.failed else 0


def _plan(letters: list[Letter], seals: Seals) -> tuple[dict[str, Retry], int]:
    """Return the retries by fingerprint, and the number of letters that cannot be retried."""
    planned: dict[str, Retry] = {}
    refused = 0
    for each in letters:
        try:
            retry = retry_of(each.message, new_command_id(), seals)
        except Fault as fault:
            note(f"{each.shown.id} cannot be retried as it is: {fault}")
            refused += 1
        else:
            planned.setdefault(fingerprint(each.message), retry)
    return planned, refused


def _edited(letter: Letter, seals: Seals, replicas: int | None, body: BinaryIO | None) -> Retry:
    """Return the retry with another body; raises a fault if it is invalid."""
    if body is not None:
        return retry_of(letter.message, new_command_id(), seals, body.read())
    present = opened(letter.message, seals)
    if replicas is not None:
        changed = with_replicas(present, letter.message.type, replicas)
        return retry_of(letter.message, new_command_id(), seals, changed)
    return _in_editor(letter, seals, present)


def _in_editor(letter: Letter, seals: Seals, present: bytes) -> Retry:
    """Return the retry with a body from the editor, which is opened again while it is invalid."""
    try:
        text = msgspec.json.format(msgspec.json.encode(decode(present, MESSAGES))).decode()
    except msgspec.DecodeError:
        text = present.decode("utf-8", "replace")
    while True:
        changed = click.edit(text, extension=".json")
        if changed is None:
            raise Failure("the body was not changed; nothing was published")
        try:
            return retry_of(letter.message, new_command_id(), seals, changed.encode())
        except Fault as fault:
            note(f"the body is invalid: {printable(fault.message)}")
            text = changed
            if not click.confirm("Edit it again?", default=True, err=True):
                raise
