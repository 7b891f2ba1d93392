"""The chart rendered by Helm's engine, and views of the rendered objects."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

from deploy.helm.files import CHART

NAME, NAMESPACE = "machinist", "ops"
EXAMPLES = sorted(path.stem for path in (CHART / "examples").glob("*.yaml"))
OWN_LABEL = "app.kubernetes.io/component"

Object = dict[str, Any]


def values(example: str) -> Object:
    """Return the values of an example."""
    found: Object = yaml.load((CHART / "examples" / f"{example}.yaml").read_text(), Loader)
    return found


class Loader(yaml.CSafeLoader):
    """Refuses a mapping with the same key twice, as the API server does."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Return a mapping."""
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        assert len(keys) == len(set(map(str, keys))), f"a key twice: {keys} {node.start_mark}"
        return super().construct_mapping(node, deep)


@dataclass(frozen=True)
class Pod:
    """The pod of a workload, with the path of its owner for messages."""

    owner: str
    metadata: Object
    spec: Object

    @property
    def labels(self) -> dict[str, str]:
        """The labels."""
        found: dict[str, str] = self.metadata["labels"]
        return found

    @property
    def container(self) -> Object:
        """The only container."""
        [container] = self.spec["containers"]
        found: Object = container
        return found

    @property
    def variables(self) -> dict[str, Object]:
        """The environment by name."""
        return {each["name"]: each for each in self.container.get("env", [])}


@dataclass(frozen=True)
class Release:
    """The objects of a release, and the notes that Helm shows."""

    objects: list[Object]
    notes: str

    def of(self, *kinds: str) -> list[Object]:
        """Return the objects of some kinds."""
        return [each for each in self.objects if each["kind"] in kinds]

    def named(self, kind: str, name: str) -> Object:
        """Return one object."""
        [found] = [each for each in self.of(kind) if each["metadata"]["name"] == name]
        return found

    @cached_property
    def pods(self) -> list[Pod]:
        """The pods of all workloads."""
        return list(self._pods())

    def pod(self, component: str) -> Pod:
        """Return the pod of a component that has one workload."""
        [found] = [each for each in self.pods if each.labels[OWN_LABEL] == component]
        return found

    def _pods(self) -> Iterator[Pod]:
        for each in self.objects:
            owner = f"{each['kind']}/{each['metadata']['name']}"
            if each["kind"] == "Pod":
                yield Pod(owner, each["metadata"], each["spec"])
            elif each["kind"] in ("Deployment", "StatefulSet", "Job"):
                template = each["spec"]["template"]
                yield Pod(owner, template["metadata"], template["spec"])


class Renderer:
    """Renders the chart."""

    def __init__(self, chart: Path = CHART) -> None:
        self.chart = Chart.load(chart)

    def __call__(self, given: Object | None = None, name: str = NAME) -> Release:
        """Return a release; raise HelmError as `helm install` fails."""
        texts = self.chart.render(given or {}, name=name, namespace=NAMESPACE)
        notes = next(text for path, text in texts.items() if path.endswith("NOTES.txt"))
        objects = [
            each
            for path, text in sorted(texts.items())
            if path.endswith(".yaml")
            for each in yaml.load_all(text, Loader)
            if each
        ]
        return Release(objects, notes)
