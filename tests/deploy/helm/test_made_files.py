"""Files that are made from the chart are up to date, and the versions are the product's."""

from pathlib import Path

import pytest
import yaml

from contracts import VERSION
from deploy.helm.files import CHART, DEPLOY, made
from tests.deploy.helm.rendering import EXAMPLES, Loader, Object, Renderer

FILES = made()
MANIFEST = DEPLOY / "kubernetes" / "machinist.yaml"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_a_made_file_is_up_to_date(path: Path) -> None:
    assert path.read_text() == FILES[path], "run: python -m deploy.helm"


def test_the_versions_are_those_of_the_package(render: Renderer) -> None:
    metadata = render.chart.metadata

    assert (metadata["version"], metadata["appVersion"]) == (VERSION, VERSION)


def manifest() -> list[Object]:
    return list(yaml.load_all(MANIFEST.read_text(), Loader))


def test_the_manifest_begins_with_its_namespace_and_has_no_trace_of_helm() -> None:
    objects = manifest()

    assert objects[0]["kind"] == "Namespace"
    namespaces = {each["metadata"].get("namespace") for each in objects[1:]}
    assert namespaces == {objects[0]["metadata"]["name"], "default"}
    assert "helm.sh" not in MANIFEST.read_text()
    assert "managed-by" not in MANIFEST.read_text()


def test_the_manifest_contains_no_secret() -> None:
    objects = manifest()

    assert [each for each in objects if each["kind"] == "Secret"] == []
    assert [each["kind"] for each in objects].count("Job") == 1


def test_the_readme_names_every_example() -> None:
    readme = (CHART / "README.md").read_text()

    assert [each for each in EXAMPLES if f"examples/{each}.yaml" not in readme] == []
