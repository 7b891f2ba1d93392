"""The pinned requirements: complete, with hashes, and without the address of a package index."""

import json
import re
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
PRODUCT_FILES = ["requirements.txt", "requirements-test.txt"]
FILES = [
    *PRODUCT_FILES,
    *(
        f"requirements-{name}.txt"
        for name in ("build", "image", "ministack", "sbom", "schemathesis")
    ),
]


def pins(file: str) -> list[str]:
    """Return each requirement with its hashes, as one line."""
    lines = [line for line in (DEPLOY / file).read_text().splitlines() if "#" not in line]
    return "\n".join(lines).replace("\\\n", " ").splitlines()


@pytest.mark.parametrize("file", FILES)
def test_every_package_is_pinned_with_hashes(file: str) -> None:
    assert pins(file)
    for pin in pins(file):
        assert re.match(r"[a-z0-9-]+(\[[a-z0-9,-]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", pin), pin


@pytest.mark.parametrize("file", FILES)
def test_no_package_index_is_named(file: str) -> None:
    text = (DEPLOY / file).read_text()

    assert "://" not in text
    assert not re.search(r"^\s*(-i|-f|--(extra-)?index-url|--find-links)\b", text, re.MULTILINE)


@pytest.mark.parametrize("folder", ["documents/typescript", "browser"])
def test_every_package_of_npm_is_pinned_with_a_hash(folder: str) -> None:
    text = (DEPLOY.parent / "tests" / folder / "package-lock.json").read_text()
    packages = json.loads(text)["packages"]

    assert "://" not in text
    assert packages.pop("")
    assert packages
    assert all(each["integrity"].startswith("sha512-") for each in packages.values())


def test_the_tests_use_the_versions_of_deploy_up() -> None:
    """`deploy/test` installs into the environment of `deploy/up` and must not change versions."""
    versions = [{pin.split(" ")[0] for pin in pins(file)} for file in PRODUCT_FILES]

    assert versions[0] <= versions[1]
