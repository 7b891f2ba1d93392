"""What a platform says about a sealed body, without what it quotes of it."""

import base64
import json
from typing import Any

import pytest

from contracts import api
from contracts.faults import Code, Fault
from tests.kubernetes import manifests
from tests.secrets.test_canary import SPELLINGS
from worker.quotes import HIDDEN, MOST_COMPARED, without_quotes

SECRET = 'tr0ub4dor"&3 häuser\n'


def controller(*values: str, **more: Any) -> api.ApplyController:
    """A Deployment with these values in its environment."""
    manifest = manifests.deployment()
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "A", "value": value} for value in values]
    return api.ApplyController("default", manifest | more)


def told(words: str, operation: Any) -> str:
    """What is left of a platform's words."""
    return without_quotes(Fault(Code.PLATFORM_INVALID, words), operation).message


def test_a_value_is_replaced_and_the_place_of_the_mistake_stays():
    words = 'Deployment.apps "web" is invalid: env[0].value: Invalid value: "hunter2secret": no'

    assert told(words, controller("hunter2secret")) == (
        f'Deployment.apps "web" is invalid: env[0].value: Invalid value: "{HIDDEN}": no'
    )


ONCE = {
    name: spell
    for name, spell in SPELLINGS.items()
    if "twice" not in name and "JSON in JSON" not in name and "bytes" not in name
    and "UTF-16" not in name and "with each" not in name and "upper" not in name
}  # fmt: skip


@pytest.mark.parametrize("spell", ONCE.values(), ids=ONCE)
def test_a_value_is_replaced_however_it_is_spelt(spell):
    said = told(f"before {spell(SECRET).decode()} after", controller(SECRET))

    assert said.startswith("before ")
    assert said.endswith(" after")
    assert "tr0u" not in said
    assert base64.b64encode(SECRET.encode()).decode()[4:12] not in said


def test_what_a_value_in_base64_says_is_replaced_too():
    encoded = base64.b64encode(b"open sesame, please").decode()

    assert told("it is open sesame, pl…", controller(encoded)) == f"it is {HIDDEN}…"


def test_a_piece_of_a_value_is_replaced_and_a_short_value_as_a_word():
    assert told("…|lue:long-password-of|…", controller("a-long-password-of-mine")) == (
        f"…|lue:{HIDDEN}|…"
    )
    assert told('"pin7" not spin7', controller("pin7")) == f'"{HIDDEN}" not spin7'


def test_name_scope_and_kind_stay_though_values_contain_them():
    operation = controller("http://web-of-things.default.svc/Deployment")
    operation.manifest["metadata"]["name"] = "web-of-things"
    words = 'Deployment "web-of-things" in default'

    assert told(words, operation) == words


def test_the_name_of_a_field_stays_though_a_value_is_spelt_like_it():
    operation = controller("metadata.name", labelz={"replica": 1})

    words = 'unknown field "labelz", unknown field "spec.template.metadata.labelz"'
    assert told(words, operation) == words


def test_what_does_not_travel_sealed_is_told_as_it_is():
    operation = api.UpdateControllerReplicas("default", "web", 3)

    assert told("quite-a-long-message", operation) == "quite-a-long-message"


def test_of_a_body_too_large_to_be_compared_nothing_is_told():
    operation = controller(*(f"{number:09}" for number in range(MOST_COMPARED // 9 + 1)))

    assert "000000001" not in told("it is 000000001", operation)


def test_code_and_time_to_return_stay():
    fault = Fault(Code.PLATFORM_LIMITING, "too many", retry_after=7)
    quiet = without_quotes(fault, controller(json.dumps(SECRET)))

    assert (quiet.code, quiet.retry_after, quiet.message) == (fault.code, 7, "too many")
