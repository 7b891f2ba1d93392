"""The page for producers and auditors as tests read it: its blocks of code, by language."""

import re
import shutil
from pathlib import Path

import pytest
from msgspec import Struct

from deploy.rabbitmq.node import RabbitNode
from tests.stack import REPOSITORY

PAGE = REPOSITORY / "deploy" / "producers" / "README.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
EXAMPLE = "controllers.default.hello"


def needs(*programs: str) -> pytest.MarkDecorator:
    """Skips, and says so, where a program is not installed that the page speaks of."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


class Block(Struct, frozen=True):
    """One block of code of the page."""

    language: str
    text: str


def blocks(page: Path = PAGE) -> list[Block]:
    """All blocks, in the order of the page."""
    return [Block(language, text) for language, text in BLOCK.findall(page.read_text())]


def key_block(language: str) -> str:
    """The one block in a language that computes a key."""
    [found] = [b for b in blocks() if b.language == language and computes_key(b)]
    return found.text


def computes_key(block: Block) -> bool:
    """Whether a block computes the key of the example's address."""
    return EXAMPLE in block.text and "key" in block.text and block.language != "json"


def makes_a_user(block: Block) -> bool:
    """Whether a block is for an administrator of the broker."""
    return "rabbitmqctl" in block.text


def variables_of(node: RabbitNode, amqp_url: str) -> dict[str, str]:
    """The variables in which the examples find a broker."""
    return {
        "PYTHONWARNINGS": "error",
        "PLT_AMQP_URL": amqp_url,
        "RABBITMQ_URL": node.management_url or "",
        "RABBITMQ_USER": node.user,
        "RABBITMQ_PASSWORD": node.password,
        "RABBITMQ_VHOST": amqp_url.rpartition("/")[2],
    }
