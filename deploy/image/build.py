"""Builds the images: `python -m deploy.image.build [--base IMAGE] [TARGET …]`.

Runs Docker or Podman with deploy/image/Dockerfile and this checkout. pip's index and certificates
of PIP_INDEX_URL and PIP_CERT are passed as build secrets, and so are in no layer.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from contracts import VERSION
from deploy.failed import Failed
from deploy.image import engine
from deploy.image.engine import Engine

CHECKOUT = Path(__file__).resolve().parents[2]
DOCKERFILE = Path(__file__).with_name("Dockerfile")
TARGETS = ("machinist", "machinist-all-in-one", "machinist-sandbox")
BUILD_S = 3600

PIP_OPTIONS = {"PIP_INDEX_URL": "index-url", "PIP_TRUSTED_HOST": "trusted-host"}
CERTIFICATES = "/run/secrets/ca.crt"
"""The path of the secret `ca.crt` during the build."""


def pip_configuration(environ: Mapping[str, str]) -> str:
    """Return the content of a pip.conf with the settings of these variables, or ''."""
    lines = [f"{name} = {environ[key]}" for key, name in PIP_OPTIONS.items() if environ.get(key)]
    if environ.get("PIP_CERT"):
        lines.append(f"cert = {CERTIFICATES}")
    return "\n".join(["[global]", *lines, ""]) if lines else ""


def command(
    program: str, target: str, tag: str, arguments: Mapping[str, str], secrets: Mapping[str, Path]
) -> list[str]:
    """Return the command that builds one target. `arguments` are the build's, `secrets` files."""
    words = [program, "build", "--file", str(DOCKERFILE), "--target", target, "--tag", tag]
    # Podman's own format has no health checks.
    words += ["--format", "docker"] if program == "podman" else []
    for name, value in arguments.items():
        words += ["--build-arg", f"{name}={value}"]
    for name, file in secrets.items():
        words += ["--secret", f"id={name},src={file}"]
    return [*words, str(CHECKOUT)]


def build(
    found: Engine,
    targets: Sequence[str],
    tag: str = VERSION,
    arguments: Mapping[str, str] | None = None,
    environ: Mapping[str, str] = os.environ,
) -> list[str]:
    """Build the targets and return the names of the images. Raises Failed with the reason."""
    given = {"VERSION": VERSION, "REVISION": revision()} | dict(arguments or {})
    names = [f"{target}:{tag}" for target in targets]
    with tempfile.TemporaryDirectory(prefix="machinist-build-") as folder:
        secrets: dict[str, Path] = {}
        if configuration := pip_configuration(environ):
            secrets["pip.conf"] = Path(folder) / "pip.conf"
            secrets["pip.conf"].write_text(configuration)
        if certificates := environ.get("PIP_CERT"):
            secrets["ca.crt"] = Path(certificates)
        for target, name in zip(targets, names, strict=True):
            words = command(found.program, target, name, given, secrets)
            found.run(*words[1:], seconds=BUILD_S)
    return names


def revision() -> str:
    """Return the commit of the checkout, or '' outside of a repository."""
    done = subprocess.run(
        ["git", "-C", str(CHECKOUT), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()


def main(argv: Sequence[str]) -> None:
    """Build the targets of a command line and print the names of the images."""
    parser = argparse.ArgumentParser(prog="python -m deploy.image.build", description=__doc__)
    parser.add_argument("targets", metavar="TARGET", nargs="*", help=f"of {', '.join(TARGETS)}")
    parser.add_argument("--base", help="the base image (default: the Dockerfile's)")
    parser.add_argument("--build-base", help="the image of the build, if the base has no shell")
    parser.add_argument("--tag", default=VERSION, help="the images' tag (default: %(default)s)")
    args = parser.parse_args(argv)
    if unknown := set(args.targets) - set(TARGETS):
        parser.error(f"expected some of {', '.join(TARGETS)}, not {', '.join(sorted(unknown))}")
    given = {"BASE": args.base, "BUILD_BASE": args.build_base}
    arguments = {name: value for name, value in given.items() if value}
    try:
        names = build(engine.find(), args.targets or TARGETS[:2], args.tag, arguments)
    except Failed as failure:
        sys.exit(f"no image was built: {failure}")
    print("\n".join(names))


if __name__ == "__main__":
    main(sys.argv[1:])
