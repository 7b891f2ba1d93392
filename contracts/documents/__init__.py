"""Keeps both documents as files, so that a change of the API shows in the diff."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contracts import asyncapi, openapi

FOLDER = Path(__file__).parent
COMMAND = "python -m contracts.documents"
"""Renews the files."""

DOCUMENTS: dict[str, Callable[[], dict[str, Any]]] = {
    "openapi.json": openapi.document,
    "asyncapi.json": asyncapi.document,
}


def text(name: str) -> str:
    """What the file of this name has to hold; in the order of the table."""
    return json.dumps(DOCUMENTS[name](), indent=2, ensure_ascii=False) + "\n"


def renew(folder: Path = FOLDER) -> list[str]:
    """Write the files whose text has changed, and say which."""
    changed = [name for name in DOCUMENTS if kept(name, folder) != text(name)]
    for name in changed:
        (folder / name).write_text(text(name), encoding="utf-8")
    return changed


def kept(name: str, folder: Path = FOLDER) -> str | None:
    """What the file holds, None when there is none."""
    path = folder / name
    return path.read_text(encoding="utf-8") if path.exists() else None
