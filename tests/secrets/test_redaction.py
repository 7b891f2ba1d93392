"""What a platform says about a sealed body, without what it quotes of it."""

import base64
import json
from typing import Any

import pytest

from contracts import api
from contracts.faults import Code, Fault
from contracts.validation import show
from tests.kubernetes import manifests
from tests.secrets.test_canary import SPELLINGS
from worker.redaction import HIDDEN, MAX_COMPARED, redact

SECRET = 'tr0ub4dor"&3 häuser\n'


def controller(*values: str, **more: Any) -> api.ApplyController:
    """A Deployment with these values in its environment."""
    manifest = manifests.deployment()
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "A", "value": value} for value in values]
    return api.ApplyController("default", manifest | more)


def told(words: str, operation: Any) -> str:
    """What is left of a platform's words."""
    return redact(Fault(Code.PLATFORM_INVALID, words), operation).message


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


ESCAPED = {
    "&quot; and &#39;": "&quot;&#39;",
    "&quot; and &#x27;": "&quot;&#x27;",
    "&quot; and &apos;": "&quot;&apos;",
    "&#34; and &#39;": "&#34;&#39;",
    "double marks alone": "&quot;'",
    "no marks": "\"'",
}


@pytest.mark.parametrize("marks", ESCAPED.values(), ids=ESCAPED)
def test_a_value_in_html_or_xml_is_replaced(marks):
    for value, spelt in (
        ("s3cr3t&<pw>\"'q", f"s3cr3t&amp;&lt;pw&gt;{marks}q"),
        ("<p>\"'", f"&lt;p&gt;{marks}"),
    ):
        assert told(f"before {spelt} after", controller(value)) == f"before {HIDDEN} after"


def test_a_value_with_lower_case_escapes_of_urls_is_replaced():
    spelt = "s3cr3t%26%3cpw%3e%22%27Q"

    assert told(f"before {spelt} after", controller("s3cr3t&<pw>\"'Q")) == f"before {HIDDEN} after"


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


OWN_WORDS = [
    "workload.labels: expected at most 50, as many tags as AWS allows, got 54",
    "workload.labels: expected a tag key: 1 to 128 letters, digits and _.:/=+-@",
    "workload.resources: expected at most 16 cores and 120Gi, which is the largest size of "
    "Fargate, got 20 and 1Gi",
    "workload.labels.app: expected the workload's name, by which AWS's machines are told "
    "from others",
    "apply_secret needs a worker with PLT_ECS_EXECUTION_ROLE_ARN; it is not set",
]


def every_piece(words: str) -> list[str]:
    """Every word of a text, and pieces of some words in a row."""
    parts = words.split()
    runs = [" ".join(parts[at : at + size]) for size in (1, 2, 5) for at in range(len(parts))]
    return [*runs, *(run.strip(".,:;") for run in runs)]


@pytest.mark.parametrize("words", OWN_WORDS)
@pytest.mark.parametrize("code", [Code.INVALID, Code.UNSUPPORTED])
def test_our_own_words_stay_whole_though_values_contain_them(words, code):
    fault = Fault(code, words)
    for value in every_piece(words):
        workload = {"name": "odd", "image": "x", "env": [{"name": "A", "value": value}]}
        assert redact(fault, api.ApplyWorkload("default", workload)).message == words


@pytest.mark.parametrize("secret", ["hunter2", "hunter2secret", SECRET, "it's", 'a"b', "x" * 300])
def test_a_value_that_our_own_words_show_is_replaced(secret):
    words = f"manifest.apiVersion: expected v1, got {show(secret)}"
    told = redact(Fault(Code.INVALID, words), controller(secret)).message

    assert told.startswith("manifest.apiVersion: expected v1, got ")
    assert HIDDEN in told
    assert secret[:7] not in told


@pytest.mark.parametrize("number", ["0", "50", "3042", "65535", "1.5", "500m", "120Gi", "true"])
def test_a_short_number_is_no_secret_in_a_platforms_words_either(number):
    words = f"Invalid value: {number}: must be less than {number}"

    assert told(words, controller(number)) == words


@pytest.mark.parametrize("number", ["123456", "4711-0815", "0123456789"])
def test_a_long_number_may_be_a_secret(number):
    assert told(f"it is {number}!", controller(number)) == f"it is {HIDDEN}!"


def test_what_the_audit_shows_of_a_body_is_not_hidden():
    operation = controller(
        "hunter2secret", metadata={"name": "web", "labels": {"team": "payments"}}
    )
    [container] = operation.manifest["spec"]["template"]["spec"]["containers"]
    words = f'"{container["image"]}" of team "payments": env[0].name "A": "hunter2secret"'

    assert told(words, operation) == words.replace("hunter2secret", HIDDEN)


def test_names_of_parts_and_quantities_are_not_hidden():
    """Without them nobody can tell which container or port is refused, or why."""
    operation = controller("hunter2secret")
    [container] = operation.manifest["spec"]["template"]["spec"]["containers"]
    container |= {
        "name": "server",
        "imagePullPolicy": "Sometimes",
        "ports": [{"name": "http", "containerPort": 80}],
        "resources": {"limits": {"cpu": "1,5", "memory": "512MB"}, "requests": {"cpu": "0x10"}},
    }
    words = "<server> http Sometimes '1,5' 512MB \"0x10\": hunter2secret"

    assert told(words, operation) == words.replace("hunter2secret", HIDDEN)


def test_our_name_of_a_platform_stays_though_a_value_has_it():
    operation = controller("https://kubernetes.default.svc", "kubernetes.io/tls")

    words = "not what was asked for (Kubernetes: 422 Invalid)"
    assert told(words, operation) == words


@pytest.mark.parametrize("member", ["data", "stringData", "Data", "annotations"])
def test_no_member_that_the_caller_names_is_taken_for_a_name(member):
    manifest = manifests.secret() | {member: {"name": "hunter2secret", "type": "hunter2secret"}}
    manifest["metadata"]["annotations"] = {"key": "hunter2secret"}

    words = 'Invalid value: "hunter2secret"'
    for operation in (
        api.ApplySecret("default", manifest),
        controller(spec={"template": {"metadata": {"annotations": {"name": "hunter2secret"}}}}),
    ):
        assert HIDDEN in told(words, operation)


def test_a_platforms_words_are_searched_whatever_we_say_around_them():
    class Failure(Fault):
        """Of a platform."""

    failure = Failure(Code.INVALID, "no hunter2secret")
    try:
        try:
            raise failure
        except Failure as cause:
            raise Fault(Code.INVALID, f"left behind: {cause.message}") from None
    except Fault as around:
        wrapped = around

    for each in (failure, wrapped):
        quiet = redact(each, controller("hunter2secret"))
        assert quiet.message == each.message.replace("hunter2secret", HIDDEN)


def test_of_a_body_too_large_to_be_compared_our_own_words_are_told_without_values():
    operation = controller(*(f"{number:09}" for number in range(MAX_COMPARED // 9 + 1)))
    fault = Fault(Code.INVALID, "manifest.kind: expected Deployment, got '000000001'")

    assert redact(fault, operation).message == (f"manifest.kind: expected Deployment, got {HIDDEN}")


def test_of_a_body_too_large_to_be_compared_nothing_is_told():
    operation = controller(*(f"{number:09}" for number in range(MAX_COMPARED // 9 + 1)))

    assert "000000001" not in told("it is 000000001", operation)


def test_code_and_time_to_return_stay():
    fault = Fault(Code.PLATFORM_LIMITING, "too many", retry_after=7)
    quiet = redact(fault, controller(json.dumps(SECRET)))

    assert (quiet.code, quiet.retry_after, quiet.message) == (fault.code, 7, "too many")
