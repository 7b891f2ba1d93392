"""Redaction of values of a sealed body in the errors of a platform."""

import base64
import json
from typing import Any

import pytest

from contracts import api
from contracts.checks.validation import show
from contracts.faults import Code, Fault
from tests.kubernetes import manifests
from tests.secrets.test_canary import SPELLINGS
from worker.redaction import HIDDEN, MAX_COMPARED, redact

SECRET = 'tr0ub4dor"&3 häuser\n'


def controller(*values: str, **more: Any) -> api.ApplyController:
    """Return a Deployment with these values in its environment."""
    manifest = manifests.deployment()
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    container["env"] = [{"name": "A", "value": value} for value in values]
    return api.ApplyController("default", manifest | more)


def redacted(words: str, operation: Any) -> str:
    """Return a platform's error after redaction."""
    return redact(Fault(Code.PLATFORM_INVALID, words), operation).message


def test_a_value_is_redacted_and_its_path_is_kept():
    words = 'Deployment.apps "web" is invalid: env[0].value: Invalid value: "hunter2secret": no'

    assert redacted(words, controller("hunter2secret")) == (
        f'Deployment.apps "web" is invalid: env[0].value: Invalid value: "{HIDDEN}": no'
    )


ONCE = {
    name: spell
    for name, spell in SPELLINGS.items()
    if "twice" not in name and "JSON in JSON" not in name and "bytes" not in name
    and "UTF-16" not in name and "with each" not in name and "upper" not in name
}  # fmt: skip


@pytest.mark.parametrize("spell", ONCE.values(), ids=ONCE)
def test_a_value_is_redacted_in_every_encoding(spell):
    message = redacted(f"before {spell(SECRET).decode()} after", controller(SECRET))

    assert message.startswith("before ")
    assert message.endswith(" after")
    assert "tr0u" not in message
    assert base64.b64encode(SECRET.encode()).decode()[4:12] not in message


ESCAPED = {
    "&quot; and &#39;": "&quot;&#39;",
    "&quot; and &#x27;": "&quot;&#x27;",
    "&quot; and &apos;": "&quot;&apos;",
    "&#34; and &#39;": "&#34;&#39;",
    "double marks alone": "&quot;'",
    "no marks": "\"'",
}


@pytest.mark.parametrize("marks", ESCAPED.values(), ids=ESCAPED)
def test_a_value_escaped_for_html_or_xml_is_redacted(marks):
    for value, spelt in (
        ("s3cr3t&<pw>\"'q", f"s3cr3t&amp;&lt;pw&gt;{marks}q"),
        ("<p>\"'", f"&lt;p&gt;{marks}"),
    ):
        assert redacted(f"before {spelt} after", controller(value)) == f"before {HIDDEN} after"


def test_a_value_with_lower_case_url_escapes_is_redacted():
    spelt = "s3cr3t%26%3cpw%3e%22%27Q"

    assert (
        redacted(f"before {spelt} after", controller("s3cr3t&<pw>\"'Q")) == f"before {HIDDEN} after"
    )


def test_the_decoded_text_of_a_base64_value_is_redacted():
    encoded = base64.b64encode(b"open sesame, please").decode()

    assert redacted("it is open sesame, pl…", controller(encoded)) == f"it is {HIDDEN}…"


def test_a_part_of_a_long_value_and_a_short_value_as_a_word_are_redacted():
    assert redacted("…|lue:long-password-of|…", controller("a-long-password-of-mine")) == (
        f"…|lue:{HIDDEN}|…"
    )
    assert redacted('"pin7" not spin7', controller("pin7")) == f'"{HIDDEN}" not spin7'


def test_name_scope_and_kind_are_kept_although_values_contain_them():
    operation = controller("http://web-of-things.default.svc/Deployment")
    operation.manifest["metadata"]["name"] = "web-of-things"
    words = 'Deployment "web-of-things" in default'

    assert redacted(words, operation) == words


def test_a_field_name_is_kept_although_a_value_equals_it():
    operation = controller("metadata.name", labelz={"replica": 1})

    words = 'unknown field "labelz", unknown field "spec.template.metadata.labelz"'
    assert redacted(words, operation) == words


def test_the_error_of_an_unsealed_operation_is_not_redacted():
    operation = api.UpdateControllerReplicas("default", "web", 3)

    assert redacted("quite-a-long-message", operation) == "quite-a-long-message"


OWN_WORDS = [
    "workload.labels: expected at most 50, as many tags as AWS allows, got 54",
    "workload.labels: expected a tag key: 1 to 128 letters, digits and _.:/=+-@",
    "workload.resources: expected at most 16 cores and 120Gi, which is the largest size of "
    "Fargate, got 20 and 1Gi",
    "workload.labels.app: expected the workload's name, by which AWS's machines are told "
    "from others",
    "apply_secret needs a worker with PLT_ECS_EXECUTION_ROLE_ARN; it is not set",
]


def word_sequences(words: str) -> list[str]:
    """Return every word of a text, and sequences of two and five words."""
    parts = words.split()
    runs = [" ".join(parts[at : at + size]) for size in (1, 2, 5) for at in range(len(parts))]
    return [*runs, *(run.strip(".,:;") for run in runs)]


@pytest.mark.parametrize("words", OWN_WORDS)
@pytest.mark.parametrize("code", [Code.INVALID, Code.UNSUPPORTED])
def test_our_own_messages_are_kept_although_values_contain_their_words(words, code):
    fault = Fault(code, words)
    for value in word_sequences(words):
        workload = {"name": "odd", "image": "x", "env": [{"name": "A", "value": value}]}
        assert redact(fault, api.ApplyWorkload("default", workload)).message == words


@pytest.mark.parametrize("secret", ["hunter2", "hunter2secret", SECRET, "it's", 'a"b', "x" * 300])
def test_a_value_that_our_own_message_shows_is_redacted(secret):
    words = f"manifest.apiVersion: expected v1, got {show(secret)}"
    quiet = redact(Fault(Code.INVALID, words), controller(secret)).message

    assert quiet.startswith("manifest.apiVersion: expected v1, got ")
    assert HIDDEN in quiet
    assert secret[:7] not in quiet


@pytest.mark.parametrize("number", ["0", "50", "3042", "65535", "1.5", "500m", "120Gi", "true"])
def test_a_short_number_is_kept_in_a_platforms_error(number):
    words = f"Invalid value: {number}: must be less than {number}"

    assert redacted(words, controller(number)) == words


@pytest.mark.parametrize("number", ["123456", "4711-0815", "0123456789"])
def test_a_long_number_is_redacted(number):
    assert redacted(f"it is {number}!", controller(number)) == f"it is {HIDDEN}!"


def test_values_that_the_audit_shows_are_kept():
    operation = controller(
        "hunter2secret", metadata={"name": "web", "labels": {"team": "payments"}}
    )
    [container] = operation.manifest["spec"]["template"]["spec"]["containers"]
    words = f'"{container["image"]}" of team "payments": env[0].name "A": "hunter2secret"'

    assert redacted(words, operation) == words.replace("hunter2secret", HIDDEN)


def test_names_of_parts_and_quantities_are_kept():
    """They identify the refused container or port, and the reason."""
    operation = controller("hunter2secret")
    [container] = operation.manifest["spec"]["template"]["spec"]["containers"]
    container |= {
        "name": "server",
        "imagePullPolicy": "Sometimes",
        "ports": [{"name": "http", "containerPort": 80}],
        "resources": {"limits": {"cpu": "1,5", "memory": "512MB"}, "requests": {"cpu": "0x10"}},
    }
    words = "<server> http Sometimes '1,5' 512MB \"0x10\": hunter2secret"

    assert redacted(words, operation) == words.replace("hunter2secret", HIDDEN)


def test_the_platform_name_in_our_message_is_kept_although_a_value_contains_it():
    operation = controller("https://kubernetes.default.svc", "kubernetes.io/tls")

    words = "not what was asked for (Kubernetes: 422 Invalid)"
    assert redacted(words, operation) == words


@pytest.mark.parametrize("member", ["data", "stringData", "Data", "annotations"])
def test_a_value_under_a_caller_chosen_key_is_redacted_also_if_the_key_is_name(member):
    manifest = manifests.secret() | {member: {"name": "hunter2secret", "type": "hunter2secret"}}
    manifest["metadata"]["annotations"] = {"key": "hunter2secret"}

    words = 'Invalid value: "hunter2secret"'
    for operation in (
        api.ApplySecret("default", manifest),
        controller(spec={"template": {"metadata": {"annotations": {"name": "hunter2secret"}}}}),
    ):
        assert HIDDEN in redacted(words, operation)


def test_a_platforms_error_inside_our_message_is_redacted():
    class Failure(Fault):
        """The failure of a platform."""

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


def test_our_message_about_a_body_too_large_to_compare_omits_all_values():
    operation = controller(*(f"{number:09}" for number in range(MAX_COMPARED // 9 + 1)))
    fault = Fault(Code.INVALID, "manifest.kind: expected Deployment, got '000000001'")

    assert redact(fault, operation).message == (f"manifest.kind: expected Deployment, got {HIDDEN}")


def test_a_platforms_error_about_a_body_too_large_to_compare_is_hidden():
    operation = controller(*(f"{number:09}" for number in range(MAX_COMPARED // 9 + 1)))

    assert "000000001" not in redacted("it is 000000001", operation)


def test_code_and_retry_after_are_kept():
    fault = Fault(Code.PLATFORM_LIMITING, "too many", retry_after=7)
    quiet = redact(fault, controller(json.dumps(SECRET)))

    assert (quiet.code, quiet.retry_after, quiet.message) == (fault.code, 7, "too many")
