"""Generates clients from the OpenAPI document; a warning is a failure."""

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest

from contracts.documents.files import FOLDER

DOCUMENT = FOLDER / "openapi.json"
TYPESCRIPT = Path(__file__).parent / "typescript"


def python_client(folder: Path) -> str:
    """Generate a client with openapi-python-client, and return the name of its package."""
    config = folder / "config.json"
    config.write_text('{"post_hooks": [], "package_name_override": "generated_client"}')
    _run(
        [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"],
        ["--path", DOCUMENT, "--output-path", folder / "generated_client", "--config", config],
        ["--fail-on-warning"],
    )
    return "generated_client"


def pydantic_models(folder: Path) -> str:
    """Generate models with datamodel-code-generator, and return the name of their module."""
    printed = _run(
        [sys.executable, "-W", "error", "-m", "datamodel_code_generator"],
        ["--input", DOCUMENT, "--input-file-type", "openapi"],
        ["--output", folder / "generated_models.py", "--formatters", "builtin"],
        ["--output-model-type", "pydantic_v2.BaseModel", "--use-annotated"],
    )
    assert printed == ""
    return "generated_models"


def typescript_client(folder: Path) -> Path:
    """Generate types with openapi-typescript, compile client.ts, and return the script."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip("openapi-typescript needs node and npm, which are not installed")
    shutil.copytree(TYPESCRIPT, folder, dirs_exist_ok=True)
    _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder=folder)
    tools = folder / "node_modules" / ".bin"
    printed = _run([tools / "openapi-typescript", DOCUMENT, "-o", folder / "api.ts"], folder=folder)
    assert "warn" not in printed.lower()
    _run([tools / "tsc", "--project", folder], folder=folder)
    return folder / "built" / "client.js"


def imported(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import a generated module from a folder for one test."""
    monkeypatch.syspath_prepend(str(folder))
    return importlib.import_module(name)


def _run(*words: Sequence[object], folder: Path | None = None) -> str:
    command = [str(word) for part in words for word in part]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env={**os.environ, "NO_COLOR": "1"}
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout + done.stderr
