"""The bill of materials and the licences: complete, and without the address of a package index."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from contracts import VERSION
from deploy.failed import Failed
from deploy.image import sbom
from deploy.image.build import CHECKOUT
from gateway.documentation.operations import SWAGGER_UI
from tests.deploy.test_requirements import pins

STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12+deb13u1
Description: GNU C Library
 Depends: in a description

Package: old
Status: deinstall ok config-files
Architecture: all
Version: 1
"""


def test_only_installed_packages_of_debian_are_listed() -> None:
    [found] = sbom.debian_packages(STATUS, "debian")

    assert found["purl"] == "pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64"
    assert (found["name"], found["version"]) == ("libc6", "2.41-12+deb13u1")


def test_an_image_with_other_packages_is_refused_with_their_names() -> None:
    bill = {"components": [{"name": "Aio_Pika", "version": "1"}, {"name": "six", "version": "1"}]}
    image = {"python": {"aio-pika": "1", "six": "2", "machinist": "1"}, "dpkg": "", "release": ""}

    with pytest.raises(Failed, match=r"other versions of six: expected"):
        sbom.add_debian_packages(bill, image)


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        ([{"expression": "MIT OR Apache-2.0"}], "MIT OR Apache-2.0"),
        ([{"license": {"id": "MIT"}}, {"license": {"name": "License :: MIT"}}], "MIT"),
        ([{"license": {"name": "3-Clause BSD License"}}], "3-Clause BSD License"),
        ([], "not stated"),
    ],
)
def test_a_licence_is_named_by_its_spdx_identifier_if_it_has_one(
    licences: list[dict[str, object]], expected: str
) -> None:
    bill = {"components": [{"name": "a", "version": "1", "licenses": licences}]}

    assert sbom.table(bill) == f"package\tversion\tlicences\na\t1\t{expected}\n"


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_the_bill_lists_every_pinned_package_with_a_licence(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "deploy.image.sbom", str(tmp_path)], cwd=CHECKOUT, check=True
    )
    text = (tmp_path / "machinist.cdx.json").read_text()
    bill = json.loads(text)
    listed = {f"{sbom.normalized(each['name'])}=={each['version']}" for each in bill["components"]}
    # Some are for other platforms and other Pythons.
    pinned = {re.split(r"[ ;]", pin)[0] for pin in pins("requirements-image.txt")}
    unconditional = {
        re.sub(r"\[.*\]", "", pin.split(" ")[0])
        for pin in pins("requirements-image.txt")
        if ";" not in pin
    }

    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["version"] == VERSION
    own = f"swagger-ui-dist=={SWAGGER_UI}"
    assert own in listed
    assert unconditional <= listed - {own} <= {re.sub(r"\[.*\]", "", pin) for pin in pinned}
    lines = (tmp_path / "licences.tsv").read_text().splitlines()
    assert len(lines) == len(listed) + 1
    assert [line for line in lines if line.endswith("not stated")] == []
    # Neither an index nor a folder of this machine; packages name their own pages.
    assert "file://" not in text
    assert str(tmp_path) not in text
    assert not re.search(r"(index|find-links|extra-index)[-_]?url", text)
