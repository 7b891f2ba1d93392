"""The wheel, built and installed without a package index into an empty environment.

The environment has links to the installed distributions that the wheel requires, directly or
indirectly. pip installs the wheel with its dependencies, and so fails if a distribution is missing
or has a wrong version. A module fails to import a distribution that the wheel does not require.
Not tested: that a package index has the distributions.
"""

import shutil
import subprocess
import sys
import venv
from collections.abc import Iterable
from contextlib import ExitStack
from importlib.metadata import Distribution, distribution
from pathlib import Path
from zipfile import ZipFile

import httpx
import msgspec
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from contracts import VERSION
from contracts.process.environment import variable
from deploy.ports import Port
from gateway.settings import Settings as GatewaySettings
from tests.stack import REPOSITORY, eventually
from worker.settings import Settings as WorkerSettings

PRODUCT = ("contracts", "gateway", "worker")
BUILD = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
REQUIRES = "Requires-Dist: "
IMPORT_ALL = f"""
from importlib import import_module
from pkgutil import walk_packages
for name in {PRODUCT}:
    package = import_module(name)
    for module in walk_packages(package.__path__, name + "."):
        import_module(module.name)
    print(package.__file__)
"""

PRINT = """
import io, json, sys
from contextlib import redirect_stdout
from importlib.metadata import distribution
printed = {}
for entry in distribution("machinist").entry_points:
    for option in ("--version", "--help"):
        sys.argv = [entry.name, option]
        with redirect_stdout(io.StringIO()) as output:
            try:
                entry.load()()
            except SystemExit as ended:
                assert not ended.code
        printed[f"{entry.name} {option}"] = output.getvalue()
print(json.dumps(printed))
"""
"""Prints the output of each program, all in one process: each import takes 0.6 s of CPU."""


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Return the output of a command, run without this process's folder and variables."""
    done = subprocess.run(
        command, cwd=cwd or "/", env={}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the checkout, because setuptools writes into its source."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("built")
    for name in (*PRODUCT, "deploy", "tests"):
        shutil.copytree(
            REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    return built / run(sys.executable, "-c", BUILD, built, cwd=source).splitlines()[-1]


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `bin` of an environment with the wheel."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    packages = Path(
        run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    )
    required: dict[str, Distribution] = {}
    for extra in ("otel", "parquet"):
        gather(requirements(wheel), extra, required)
    for found in required.values():
        for name in {file.parts[0] for file in found.files or ()} - {"..", "__pycache__"}:
            if not (packages / name).exists():
                (packages / name).symlink_to(str(found.locate_file(name)))
    pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check"]
    run(*pip, "--python", python, "install", "--no-index", wheel)
    return folder / "bin"


@pytest.fixture(scope="module")
def printed(programs: Path) -> dict[str, str]:
    """The output of each program of the wheel, by its name and option."""
    output: dict[str, str] = msgspec.json.decode(run(programs / "python", "-c", PRINT))
    return output


def requirements(wheel: Path) -> list[str]:
    """Return the requirements in the metadata of a wheel."""
    with ZipFile(wheel) as file:
        lines = file.read(f"machinist-{VERSION}.dist-info/METADATA").decode().splitlines()
    return [line.removeprefix(REQUIRES) for line in lines if line.startswith(REQUIRES)]


def gather(texts: Iterable[str], extra: str, found: dict[str, Distribution]) -> None:
    """Add the installed distributions of the requirements, and of their requirements."""
    for requirement in map(Requirement, texts):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            for chosen in ("", *requirement.extras):
                name = f"{canonicalize_name(requirement.name)}[{chosen}]"
                if name not in found:
                    found[name] = distribution(requirement.name)
                    gather(found[name].requires or (), chosen, found)


def test_the_wheel_contains_only_the_product_with_types_and_documents(wheel):
    with ZipFile(wheel) as file:
        names = {name for name in file.namelist() if ".dist-info/" not in name}
    files = (path for name in PRODUCT for path in (REPOSITORY / name).rglob("*"))
    ours = {path.relative_to(REPOSITORY) for path in files if path.is_file()}
    pages = {f"{name}/README.md" for name in ("contracts", "gateway", "worker/providers")}

    assert names == {path.as_posix() for path in ours if "__pycache__" not in path.parts} - pages
    assert names >= {f"{package}/py.typed" for package in PRODUCT}
    assert names >= {f"contracts/documents/{name}api.json" for name in ("open", "async")}


def test_every_module_imports_only_requirements_of_the_wheel_and_its_extras(programs):
    files = run(programs / "python", "-c", IMPORT_ALL).splitlines()

    assert [Path(file).parent.name for file in files] == list(PRODUCT)
    assert all(Path(file).is_relative_to(programs.parent) for file in files)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("machinist", ["address", "audit", "dead"]),
        ("machinist-gateway", GatewaySettings),
        ("machinist-worker", WorkerSettings),
    ],
)
def test_every_program_prints_its_version_and_its_usage(printed, program, expected):
    if not isinstance(expected, list):
        expected = [f"  {variable(field.name)}" for field in msgspec.structs.fields(expected)]

    assert printed[f"{program} --version"] == f"{program} {VERSION}\n"
    usage = printed[f"{program} --help"]
    assert usage.lower().startswith(f"usage: {program} ")
    assert [word for word in expected if word not in usage] == []


def test_the_installed_console_is_a_program(programs):
    assert run(programs / "machinist", "--version") == f"machinist {VERSION}\n"


def test_installed_gateway_and_worker_serve_a_request(programs, amqp_url, sandbox, tmp_path):
    port = Port.any_free()
    variables = {
        "PLT_AMQP_URL": amqp_url,
        "PLT_PORT": str(port.number),
        **sandbox.environment,
    }
    with ExitStack() as contexts:
        contexts.callback(port.release)
        for program in ("machinist-gateway", "machinist-worker"):
            log = contexts.enter_context((tmp_path / program).open("wb"))
            process = subprocess.Popen(
                [programs / program], cwd=tmp_path, env=variables, stdout=log, stderr=log
            )
            contexts.callback(process.wait)
            contexts.callback(process.kill)
        http = contexts.enter_context(httpx.Client(trust_env=False, timeout=30))

        def machines() -> object:
            try:
                answer = http.get(f"http://127.0.0.1:{port.number}/k8s/machines/default")
            except httpx.TransportError:
                return None
            return answer.status_code == 200 and answer.json()

        eventually(machines, what="an installed worker answers a request")
