"""The build and the engine: the command, the secrets, and machines without an engine."""

import os
from pathlib import Path

import pytest

from deploy import suites
from deploy.failed import Failed
from deploy.image import base, build, engine
from deploy.image.engine import Engine


def program(folder: Path, name: str, script: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of fake programs, which is the first one of the PATH."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv(engine.VARIABLE, raising=False)
    program(tmp_path, "docker", "echo no daemon >&2; exit 1")
    program(tmp_path, "podman", "echo no daemon >&2; exit 1")
    return tmp_path


def test_docker_with_a_daemon_and_buildx_is_preferred(machine: Path) -> None:
    program(machine, "podman", "exit 0")
    assert engine.find({}) == Engine("podman")

    program(machine, "docker", "[ $1 = info ]")
    assert engine.find({}) == Engine("podman")

    program(machine, "docker", "exit 0")
    assert engine.find({}) == Engine("docker")
    assert engine.find({engine.VARIABLE: "podman"}) == Engine("podman")


def test_without_an_engine_the_suite_of_images_does_not_run_and_says_why(machine: Path) -> None:
    [images] = [suite for suite in suites.SUITES if suite.name == "images"]
    assert isinstance(images, suites.Suite)

    with pytest.raises(Failed, match="no container engine answers: expected Docker with buildx"):
        images.rabbitmq(print)


def test_a_wrong_engine_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(Failed, match="PLT_IMAGE_ENGINE is 'lxc': expected one of docker, podman"):
        engine.find({engine.VARIABLE: "lxc"})


def test_a_failed_command_is_reported_with_the_end_of_its_output(machine: Path) -> None:
    program(machine, "podman", "seq 100; echo no space left >&2; exit 125")

    with pytest.raises(Failed, match=r"(?s)podman build -f failed with status 125:\n.*\nno space"):
        Engine("podman").run("build", "-f", "x")


def test_the_index_and_the_certificates_of_pip_are_secrets_of_the_build(machine: Path) -> None:
    copy = 'for each; do case $each in id=pip.conf,*) cp "${each#*src=}" '
    program(machine, "podman", f'echo "$@" >{machine}/words; {copy} {machine}/conf;; esac; done')
    environ = {"PIP_INDEX_URL": "https://user:hidden@index.example", "PIP_CERT": "/etc/ca.crt"}

    names = build.build(Engine("podman"), ["machinist"], "1", {"BASE": "b"}, environ)

    words = (machine / "words").read_text()
    assert names == ["machinist:1"]
    assert "--target machinist --tag machinist:1" in words
    assert "--build-arg BASE=b" in words
    assert f"--label org.opencontainers.image.revision={build.revision()}" in words
    assert "--secret id=ca.crt,src=/etc/ca.crt" in words
    assert "hidden" not in words
    assert (machine / "conf").read_text().splitlines() == [
        "[global]",
        "index-url = https://user:hidden@index.example",
        "cert = /run/secrets/ca.crt",
    ]


def test_a_machine_without_settings_of_pip_passes_no_secret() -> None:
    assert build.pip_configuration({}) == ""
    assert "--secret" not in build.command("docker", "machinist", "t", {}, {})


@pytest.mark.parametrize(
    ("here", "pulled", "expected"),
    [("exit 0", "exit 1", "default"), ("exit 1", "exit 0", "default"), ("exit 1", "exit 1", "x")],
)
def test_the_base_is_here_or_pulled_or_made_from_a_root(
    machine: Path, here: str, pulled: str, expected: str
) -> None:
    program(machine, "podman", f"case $1 in image) {here};; pull) {pulled};; esac")
    program(machine, "unshare", "echo not permitted >&2; exit 1")
    own = {base.VARIABLE: "mine"}

    assert base.find(Engine("podman"), print, own) == "mine"
    if expected == "default":
        assert base.find(Engine("podman"), print, {}) == base.default_base()
    else:
        with pytest.raises(Failed, match=r"root only|may not mount"):
            base.find(Engine("podman"), print, {})
