"""The table of values in the chart's README, from the schema and the default values."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

BEGIN = "<!-- The table is made by `python -m deploy.helm`. -->\n"
END = "<!-- end of the table -->\n"
HEAD = "| value | default | meaning |\n|---|---|---|\n"

AS_IN_KUBERNETES = "as in Kubernetes"
WHOLE = ("resources",)
"""Objects that have one row."""


def with_table(readme: str, chart: Path) -> str:
    """Return the README with the table of the chart in a folder."""
    schema = json.loads((chart / "values.schema.json").read_text())
    defaults = yaml.safe_load((chart / "values.yaml").read_text())
    rows = "".join(_rows(schema, schema["definitions"], defaults, ""))
    before, _, rest = readme.partition(BEGIN)
    return f"{before}{BEGIN}{HEAD}{rows}{END}{rest.partition(END)[2]}"


def _rows(
    schema: dict[str, Any], definitions: dict[str, Any], defaults: Any, prefix: str
) -> Iterator[str]:
    for name, raw in schema["properties"].items():
        field = definitions[raw["$ref"].rpartition("/")[2]] | raw if "$ref" in raw else raw
        default = (defaults or {}).get(name)
        if "properties" in field and name not in WHOLE:
            yield from _rows(field, definitions, default, f"{prefix}{name}.")
        elif default is not None:
            meaning = field.get("description", AS_IN_KUBERNETES)
            yield f"| `{prefix}{name}` | {_shown(default)} | {meaning} |\n"


def _shown(default: Any) -> str:
    return f"`{json.dumps(default)}`" if default not in ("", [], {}) else ""
