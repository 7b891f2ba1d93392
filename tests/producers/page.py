"""The code blocks of deploy/producers/README.md."""

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
    """Skip a test if one of its programs is not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


class Block(Struct, frozen=True):
    """One code block of the page."""

    language: str
    text: str


def blocks(page: Path = PAGE) -> list[Block]:
    """Return all code blocks, in the order of the page."""
    return [Block(language, text) for language, text in BLOCK.findall(page.read_text())]


def key_block(language: str) -> str:
    """Return the code block in a language that computes a routing key."""
    [found] = [b for b in blocks() if b.language == language and computes_key(b)]
    return found.text


def computes_key(block: Block) -> bool:
    """Tell whether a block computes the routing key of the example address."""
    return EXAMPLE in block.text and "key" in block.text and block.language != "json"


def creates_user(block: Block) -> bool:
    """Tell whether a block creates a broker user with rabbitmqctl."""
    return "rabbitmqctl" in block.text


def variables_of(node: RabbitNode, amqp_url: str) -> dict[str, str]:
    """Return the environment variables with which the examples find the broker."""
    return {
        "PYTHONWARNINGS": "error",
        "PLT_AMQP_URL": amqp_url,
        "RABBITMQ_URL": node.management_url or "",
        "RABBITMQ_USER": node.user,
        "RABBITMQ_PASSWORD": node.password,
        "RABBITMQ_VHOST": amqp_url.rpartition("/")[2],
    }
