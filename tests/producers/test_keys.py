"""The key computations on the page match the contract."""

import subprocess
import sys

import pytest

from contracts.address import address_of, routing_key
from contracts.api import SetMachineLabels, UpdateControllerReplicas
from tests.producers.page import EXAMPLE, key_block, needs

COLLECTIONS = (UpdateControllerReplicas.row, SetMachineLabels.row)
NAMES = ["hello", "a", "A_b-9", "x" * 80, "store-0", "checkout-v2", "0"]

PRINTS = {
    "python": ([sys.executable, "-c"], "print(key)"),
    "js": (["node", "-e"], "console.log(key)"),
    "sh": (["bash", "-c"], 'echo "$key"'),
}
LANGUAGES = [
    pytest.param(language, marks=needs(command[0])) for language, (command, _) in PRINTS.items()
]


def computed(language: str, address: str) -> str:
    """Return the routing key that the block of the page computes for an address."""
    command, show = PRINTS[language]
    text = key_block(language)
    assert text.count(EXAMPLE) == 1
    done = subprocess.run(
        [*command, text.replace(EXAMPLE, address) + show],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_key_on_the_page_matches_the_contract(language):
    addresses = [
        (row, address_of(row, scope, name))
        for row, scope, name in zip(COLLECTIONS * 4, ["default", "team_a"] * 4, NAMES, strict=False)
    ]

    keys = [computed(language, where) for _, where in addresses]

    assert keys == [routing_key("k8s", row, where) for row, where in addresses]
    assert len({key.split(".")[1] for key in keys}) > 3, "too few slots"
