"""Writes the bill of materials of the image and its licences: `python -m deploy.image.sbom`.

FOLDER gets `machinist.cdx.json` (CycloneDX) and `licences.tsv`. The packages are those that
deploy/requirements-image.txt pins, installed into a temporary environment, and Swagger UI. With
--image, the Debian packages of an image are added, after a check that its Python packages are the
same.
"""

import argparse
import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from contracts import VERSION
from deploy.failed import Failed
from deploy.image import engine
from deploy.options import from_caller_folder
from gateway.documentation.operations import SWAGGER_UI

CHECKOUT = Path(__file__).resolve().parents[2]
REQUIREMENTS = CHECKOUT / "deploy"
PIP = ("install", "--quiet", "--no-deps", "--disable-pip-version-check")
PINNED = ("--require-hashes", "--requirement")

OS_RELEASE, DPKG = "/etc/os-release", "/var/lib/dpkg/status"
CONTENT = f"""
import importlib.metadata, json, pathlib
read = lambda path: path.read_text() if path.exists() else ""
print(json.dumps({{
    "python": {{each.name: each.version for each in importlib.metadata.distributions()
                if "/opt/machinist/" in str(each.locate_file(""))}},
    "dpkg": read(pathlib.Path({DPKG!r})),
    "release": read(pathlib.Path({OS_RELEASE!r})),
}}))
"""
"""Prints the packages of the image in which it runs."""

STATED = """
import importlib.metadata, json
found = {each.name: each.metadata["License"] for each in importlib.metadata.distributions()}
print(json.dumps({name: text.splitlines()[0] for name, text in found.items() if text}))
"""
"""Prints the first line of each package's own statement, for those that name no SPDX licence."""

SEE_IMAGE = "see /usr/share/doc/{}/copyright in the image"


def main(argv: Sequence[str]) -> None:
    """Write the files of a command line, and print their paths."""
    parser = argparse.ArgumentParser(prog="python -m deploy.image.sbom", description=__doc__)
    parser.add_argument(
        "folder", type=from_caller_folder, nargs="?", default=CHECKOUT / "dist", metavar="FOLDER"
    )
    parser.add_argument("--image", help="an image of this machine's container engine")
    args = parser.parse_args(argv)
    args.folder.mkdir(parents=True, exist_ok=True)
    try:
        bill = python_packages()
        if args.image:
            add_debian_packages(bill, content(args.image))
        bill["components"].append(swagger_ui())
    except Failed as failure:
        sys.exit(f"no bill of materials was written: {failure}")
    files = {"machinist.cdx.json": json.dumps(bill, indent=2) + "\n", "licences.tsv": table(bill)}
    for name, text in files.items():
        (args.folder / name).write_text(text)
        print(args.folder / name)


def python_packages() -> dict[str, Any]:
    """Return the bill of materials of the product, in CycloneDX's JSON form."""
    with tempfile.TemporaryDirectory(prefix="machinist-sbom-") as name:
        folder = Path(name)
        tool, product = folder / "tool", folder / "product"
        for environment in (tool, product):
            run(sys.executable, "-m", "venv", environment)
        run(tool / "bin" / "pip", *PIP, *PINNED, REQUIREMENTS / "requirements-sbom.txt")
        run(product / "bin" / "pip", *PIP, *PINNED, REQUIREMENTS / "requirements-image.txt")
        run(product / "bin" / "pip", "uninstall", "--quiet", "--yes", "setuptools", "pip")
        output = folder / "bill.json"
        run(
            tool / "bin" / "cyclonedx-py",
            *("environment", "--output-reproducible", "--short-PURLs"),
            *("--pyproject", CHECKOUT / "pyproject.toml", "--output-file", output),
            product,
        )
        bill: dict[str, Any] = json.loads(output.read_text())
        stated: dict[str, str] = json.loads(run(product / "bin" / "python", "-c", STATED))
    bill["metadata"]["component"]["version"] = VERSION
    for each in bill["components"]:
        if not each.get("licenses") and (licence := stated.get(each["name"])):
            each["licenses"] = [{"license": {"name": licence}}]
    return bill


def content(image: str) -> dict[str, Any]:
    """Return the packages of an image, as CONTENT prints them."""
    printed = engine.find().run("run", "--rm", "--entrypoint", "python", image, "-c", CONTENT)
    found: dict[str, Any] = json.loads(printed)
    return found


def add_debian_packages(bill: dict[str, Any], found: dict[str, Any]) -> None:
    """Add the Debian packages of an image to a bill.

    Raises Failed if the Python packages of the image are not those of the bill.
    """
    listed = {(normalized(each["name"]), each["version"]) for each in bill["components"]}
    own = {(normalized(name), version) for name, version in found["python"].items()}
    if differing := sorted({name for name, _ in own ^ listed} - {"machinist"}):
        raise Failed(
            f"the image has other versions of {', '.join(differing)}: expected an image of this "
            "checkout, with the version of Python that runs this command"
        )
    release = dict(line.split("=", 1) for line in found["release"].splitlines() if "=" in line)
    bill["components"] += debian_packages(found["dpkg"], release.get("ID", "").strip('"'))


def debian_packages(status: str, distribution: str) -> list[dict[str, Any]]:
    """Return the installed packages in the text of dpkg's status file as components."""
    components = []
    for paragraph in status.split("\n\n"):
        fields = dict(
            line.split(": ", 1)
            for line in paragraph.splitlines()
            if ": " in line[1:] and line[0] != " "
        )
        if fields.get("Status") != "install ok installed":
            continue
        name, version = fields["Package"], fields["Version"]
        purl = (
            f"pkg:deb/{distribution}/{quote(name)}@{quote(version)}?arch={fields['Architecture']}"
        )
        components.append(
            {
                "bom-ref": purl,
                "type": "library",
                "name": name,
                "version": version,
                "purl": purl,
                "licenses": [{"license": {"name": SEE_IMAGE.format(name)}}],
            }
        )
    return components


def swagger_ui() -> dict[str, Any]:
    """Return the component whose files are in the folder gateway/documentation/swagger_ui."""
    purl = f"pkg:npm/swagger-ui-dist@{SWAGGER_UI}"
    return {
        "bom-ref": purl,
        "type": "library",
        "name": "swagger-ui-dist",
        "version": SWAGGER_UI,
        "purl": purl,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }


def table(bill: dict[str, Any]) -> str:
    """Return the name, version and licences of each component, separated by tabs."""
    text = io.StringIO()
    lines = csv.writer(text, delimiter="\t", lineterminator="\n")
    lines.writerow(["package", "version", "licences"])
    for each in sorted(bill["components"], key=lambda each: str(each["name"]).lower()):
        lines.writerow([each["name"], each["version"], "; ".join(licences(each)) or "not stated"])
    return text.getvalue()


def licences(component: dict[str, Any]) -> list[str]:
    """Return the licences of a component: SPDX expressions and identifiers, or else names."""
    given = component.get("licenses", [])
    known = [each.get("expression") or each["license"].get("id") for each in given]
    return [each for each in known if each] or [each["license"]["name"] for each in given]


def normalized(name: str) -> str:
    """Return the name of a Python package in its normal form (PEP 503)."""
    return name.lower().replace("_", "-").replace(".", "-")


def run(*command: str | Path) -> str:
    """Run a command and return its output. Raises Failed with the end of it."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-15:])
        raise Failed(f"{Path(command[0]).name} {command[1]} failed with:\n{end}")
    return done.stdout


if __name__ == "__main__":
    main(sys.argv[1:])
