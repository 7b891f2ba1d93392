"""`python -m deploy.identity.schema` writes the JSON schema of the file of PLT_AUTH_RIGHTS."""

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from gateway.identity.rights import RightsDocument

FILE = Path(__file__).parent / "rights.schema.json"


def text() -> str:
    """Return the schema as the file must contain it."""
    return json.dumps(schema(), indent=2).replace(r"\\Z", "$") + "\n"


def schema() -> dict[str, Any]:
    """Return the schema, for editors and pipelines."""
    [document], components = msgspec.json.schema_components(
        [RightsDocument], ref_template="#/$defs/{name}"
    )
    described = components.pop(document["$ref"].rpartition("/")[2])
    rule = components["Rule"]
    rule["description"] = inspect.cleandoc(rule["description"])  # indented before Python 3.13
    rule["anyOf"] = [{"required": ["subjects"]}, {"required": ["groups"]}]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **described,
        "title": "Rights of the clients of machinist",
        "$defs": components,
    }


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
