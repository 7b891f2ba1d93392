"""Fixtures: the chart, and a release for each example, rendered once."""

import pytest

from tests.deploy.helm.rendering import EXAMPLES, Release, Renderer, values


@pytest.fixture(scope="session")
def render() -> Renderer:
    return Renderer()


@pytest.fixture(scope="session")
def releases(render: Renderer) -> dict[str, Release]:
    return {example: render(values(example)) for example in EXAMPLES}


@pytest.fixture(params=EXAMPLES)
def release(request: pytest.FixtureRequest, releases: dict[str, Release]) -> Release:
    """The release of each example."""
    return releases[request.param]
