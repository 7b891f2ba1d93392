"""The Dockerfile: what it copies exists, suffices, and runs without root and without a shell."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.image.base import default_base
from deploy.image.build import CHECKOUT, TARGETS
from tests.image import dockerfile

PRODUCTION = TARGETS[:2]
MODULE = "deploy.image.all_in_one"


def test_every_target_is_a_stage_and_the_product_is_the_default() -> None:
    stages = dockerfile.stages()

    assert set(TARGETS) <= stages.keys()
    assert next(reversed(stages)) == "machinist"
    assert default_base().startswith("docker.io/library/python:3.1")


def test_every_copied_path_exists_and_is_in_the_context() -> None:
    paths = [
        path
        for stage in dockerfile.stages()
        for paths, _ in dockerfile.copied(stage)
        for path in paths
    ]

    assert paths
    assert [path for path in paths if not dockerfile.in_context(path)] == []
    assert dockerfile.ignored()[0] == "*"


@pytest.mark.parametrize("target", TARGETS)
def test_no_process_of_an_image_is_root(target: str) -> None:
    users = [each.words for each in dockerfile.stages()[target] if each.name == "USER"]

    # By number: Kubernetes' runAsNonRoot cannot check a name.
    assert users == [["10001:10001"]]


@pytest.mark.parametrize("target", PRODUCTION)
def test_an_image_needs_no_shell(target: str) -> None:
    commands = [
        each
        for each in dockerfile.stages()[target]
        if each.name in ("CMD", "ENTRYPOINT", "HEALTHCHECK")
    ]

    assert len(commands) == 2
    assert all(dockerfile.exec_form(each) for each in commands if each.name != "ENTRYPOINT")
    # A RUN in this stage would need the shell of the base.
    assert [each for each in dockerfile.stages()[target] if each.name == "RUN"] == []


@pytest.mark.parametrize("target", PRODUCTION)
def test_an_image_serves_outside_of_its_container(target: str) -> None:
    found = dockerfile.variables(target)

    assert found["PLT_HOST"] == found["PLT_METRICS_HOST"] == "0.0.0.0"
    assert found["PLT_METRICS_PORT"] == "9090"


def test_the_copied_files_of_the_supervisor_suffice(tmp_path: Path) -> None:
    for paths, destination in dockerfile.copied("machinist-all-in-one"):
        for path in (each for each in paths if each.startswith("deploy")):
            target = tmp_path / destination
            if (CHECKOUT / path).is_dir():
                shutil.copytree(CHECKOUT / path, target)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(CHECKOUT / path, target)
    product = "; ".join(f"import {name}" for name in ("contracts", "gateway", "worker"))
    # The product is imported first, from the checkout, which is then no longer searched.
    script = (
        f"import sys; sys.path.insert(0, {str(CHECKOUT)!r}); {product}; sys.path.pop(0); "
        f"import {MODULE}.__main__; print({MODULE}.__file__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(tmp_path)
