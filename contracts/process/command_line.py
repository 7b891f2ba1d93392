"""The command line of a process configured by environment variables: `--version`, `--help`."""

import argparse
from collections.abc import Sequence

import msgspec

from contracts import VERSION
from contracts.checks.validation import describe
from contracts.process.environment import FILE, secret_form, variable


def parse(
    program: str,
    purpose: str,
    settings: type[msgspec.Struct],
    arguments: Sequence[str] | None = None,
) -> None:
    """Answer `--version` and `--help`, and refuse any other argument with the exit status 2."""
    parser = argparse.ArgumentParser(
        prog=program,
        description=purpose,
        epilog="\n".join(["variables:", *map(_line, msgspec.structs.fields(settings))]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_version(parser)
    parser.parse_args(arguments)


def add_version(parser: argparse.ArgumentParser) -> None:
    """Add the option `--version`."""
    parser.add_argument("--version", action="version", version=f"{parser.prog} {VERSION}")


def _line(field: msgspec.structs.FieldInfo) -> str:
    expected = describe(field.type) or "text"
    default = "required" if field.required else f"default: {field.default or 'none'}"
    name = variable(field.name)
    names = name if secret_form(field.type) is None else f"{name} or {name}{FILE}"
    return f"  {names}: {expected} ({default})"
