"""Command-line parameters of an operation, derived from its fields in the table."""

from typing import Any, get_args, get_origin

import click
import msgspec
from msgspec.structs import FieldInfo

from contracts import wire
from contracts.checks.validation import describe
from contracts.faults import Fault
from contracts.operation import AnyOperation, Operation
from contracts.printable import printable
from gateway.parameters import add_label

SAMPLES = {"scope": "default", "id": "hello-7d4b9-x2x7q", "name": "hello", "replicas": "5"}
"""Values of fields in examples."""

SAMPLE_LABEL = "app.kubernetes.io/name=hello"


def parameters(operation: type[Operation[Any]]) -> list[click.Parameter]:
    """Return arguments for the fields of path and body, and options for the query parameters."""
    return [_parameter(operation, field) for field in msgspec.structs.fields(operation)]


def example(operation: type[Operation[Any]]) -> str:
    """Return sample values of the required parameters."""
    fields = [field for field in msgspec.structs.fields(operation) if field.required]
    words = [
        f"--{field.encode_name} {SAMPLE_LABEL}" if _is_map(field) else SAMPLES[field.name]
        for field in fields
    ]
    return " ".join(words)


def built(operation: type[AnyOperation], values: dict[str, Any]) -> AnyOperation:
    """Return the operation with values from the command line, by field; raise UsageError."""
    fields = msgspec.structs.fields(operation)
    given = {field.encode_name: values[field.name] for field in fields}
    try:
        for field in filter(_is_map, fields):
            labels: dict[str, str] = {}
            for entry in values[field.name]:
                add_label(labels, entry)
            given[field.encode_name] = labels
        return wire.build(
            operation, {name: value for name, value in given.items() if value is not None}
        )
    except Fault as fault:
        raise click.UsageError(printable(fault.message), click.get_current_context()) from fault


def _parameter(operation: type[Operation[Any]], field: FieldInfo) -> click.Parameter:
    if field.name in {*operation.row.path_fields, *operation.row.body}:
        is_number = _plain(field.type) is int
        return click.Argument([field.name], type=int if is_number else str)
    name = f"--{field.name.replace('_', '-')}"
    if _is_map(field):
        return click.Option(
            ["-l", name],
            multiple=True,
            required=field.required,
            metavar="KEY=VALUE",
            help="Only resources with this label; repeat it for several labels.",
        )
    word = field.name.rpartition("_")[2].upper()
    return click.Option([name], metavar=word, help=f"Such as {_sample(field)}.")


def _is_map(field: FieldInfo) -> bool:
    return get_origin(_plain(field.type)) is dict


def _sample(field: FieldInfo) -> str:
    described = describe(field.type) or "a value"
    return described.rpartition("such as ")[2]


def _plain(annotated: Any) -> Any:
    """Return the type in an annotated type."""
    inner = get_args(annotated)[:1] if hasattr(annotated, "__metadata__") else ()
    return inner[0] if inner else annotated
