"""The instructions of deploy/image/Dockerfile, by stage."""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

from deploy.image.build import CHECKOUT, DOCKERFILE


class Instruction(NamedTuple):
    """An instruction, such as COPY, with its words."""

    name: str
    words: list[str]


def stages() -> dict[str, list[Instruction]]:
    """Return the instructions of each stage by its name; those before the first under ''."""
    found: dict[str, list[Instruction]] = {"": []}
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        name, _, rest = line.partition(" ")
        if not name:
            continue
        words = rest.split() if name in ("RUN", "CMD", "HEALTHCHECK") else shlex.split(rest)
        if name == "FROM":
            found[words[-1]] = []
        found[next(reversed(found))].append(Instruction(name, words))
    return found


def copied(stage: str) -> list[tuple[list[str], str]]:
    """Return the sources of each COPY from the checkout, and its destination."""
    copies = [each.words for each in stages()[stage] if each.name == "COPY"]
    return [(words[:-1], words[-1]) for words in copies if not words[0].startswith("--from")]


def variables(stage: str) -> dict[str, str]:
    """Return the variables that a stage sets."""
    words = [word for each in stages()[stage] if each.name == "ENV" for word in each.words]
    return dict(word.split("=", 1) for word in words)


def ignored() -> list[str]:
    """Return the patterns of .dockerignore."""
    lines = (CHECKOUT / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def in_context(path: str) -> bool:
    """Return whether .dockerignore lets a path of the checkout into the build."""
    top = Path(path).parts[0]
    return f"!{top}" in ignored() and (CHECKOUT / path).exists()


def exec_form(instruction: Instruction) -> bool:
    """Return whether the command of an instruction runs without a shell."""
    return bool(re.search(r'\[\s*".*"\s*\]$', " ".join(instruction.words)))
