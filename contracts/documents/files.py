"""Both documents as files in the repository: a diff shows every change of the API."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contracts.documents import asyncapi, openapi

FOLDER = Path(__file__).parent
COMMAND = "python -m contracts.documents"
"""The command that renews the files."""

DOCUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "openapi.json": openapi.document,
    "asyncapi.json": asyncapi.document,
}


def text(name: str) -> str:
    """Return the text that a file must contain, in the order of the table."""
    return json.dumps(DOCUMENTS[name](), indent=2, ensure_ascii=False) + "\n"


def renew(folder: Path = FOLDER) -> list[str]:
    """Write the files whose text has changed, and return their names."""
    changed = [name for name in DOCUMENTS if kept(name, folder) != text(name)]
    for name in changed:
        (folder / name).write_text(text(name), encoding="utf-8")
    return changed


def kept(name: str, folder: Path = FOLDER) -> str | None:
    """Return the text of a file, None if the file does not exist."""
    path = folder / name
    return path.read_text(encoding="utf-8") if path.exists() else None
