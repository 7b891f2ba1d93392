"""Sealing: a body opens only with its key, and only for its own operation and address."""

from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.faults import Code, Fault
from contracts.process.environment import ConfigurationError, Secret
from contracts.seal import Seals
from tests.files import replace

BODY = b'{"scope":"default","manifest":{"stringData":{"token":"canary-77"}}}'
TYPE = "apply_secret"
ADDRESS = "secrets.default.token"


def key(number: int) -> bytes:
    """Return a key that is easy to recognise."""
    return bytes([number]) * 32


def text(*keys: bytes) -> str:
    """Return the keys in the format of PLT_SEAL_KEY."""
    return ",".join(b64encode(k).decode() for k in keys)


def configured(value: str) -> Seals:
    """Return the seals of a value of PLT_SEAL_KEY."""
    return Seals(Secret(value, "PLT_SEAL_KEY"))


SEALS = Seals([key(1)])
SEALED = SEALS.seal(BODY, TYPE, ADDRESS)


def refusal(seals: Seals, body: bytes, operation: str = TYPE, address: str = ADDRESS) -> Fault:
    """Return the fault of opening a body."""
    with pytest.raises(Fault) as raised:
        seals.open(body, operation, address)
    return raised.value


@given(st.binary(max_size=200), st.text(), st.text())
def test_a_sealed_body_opens(body, operation, address):
    assert SEALS.open(SEALS.seal(body, operation, address), operation, address) == body


def test_a_sealed_body_contains_no_plain_text_and_no_key():
    assert b"canary" not in SEALED
    assert b"scope" not in SEALED
    assert key(1) not in SEALED


def test_each_sealed_body_has_a_unique_nonce():
    """A nonce that is reused with one key exposes the plain text."""
    sealed = {SEALS.seal(BODY, TYPE, ADDRESS) for _ in range(200)}
    nonces = {body[9:21] for body in sealed}

    assert len(sealed) == len(nonces) == 200


def test_the_fault_of_an_unknown_key_has_the_names_of_all_keys_and_shows_no_key():
    fault = refusal(Seals([key(2), key(3)]), SEALED)
    named = [SEALED[1:9].hex()] + [
        Seals([k]).seal(b"", TYPE, ADDRESS)[1:9].hex() for k in (key(2), key(3))
    ]

    assert fault.code is Code.SEAL_NOT_OPENED
    assert all(name in fault.message for name in named)
    assert "PLT_SEAL_KEY of gateway and worker must share a key" in fault.message
    for material in (key(1), key(2), key(3)):
        assert material.hex() not in fault.message
        assert b64encode(material).decode() not in fault.message


@pytest.mark.parametrize(
    ("operation", "address"),
    [(TYPE, "secrets.default.other"), (TYPE, "secrets.prod.token"), ("apply_workload", ADDRESS)],
)
def test_a_body_opens_only_for_its_own_operation_and_address(operation, address):
    fault = refusal(SEALS, SEALED, operation, address)

    assert fault.code is Code.SEAL_NOT_OPENED
    assert f"not sealed for {operation} on {address}" in fault.message


@given(st.integers(0, len(SEALED) - 1), st.integers(1, 255))
def test_a_body_with_a_changed_byte_does_not_open(place, change):
    changed = bytearray(SEALED)
    changed[place] ^= change

    assert refusal(SEALS, bytes(changed)).code is Code.SEAL_NOT_OPENED


@pytest.mark.parametrize(
    "body",
    [b"", b"\x01", BODY, SEALED[:20], SEALED[:21], SEALED[:-1]],
    ids=["empty", "version", "plain text", "part of head", "head", "truncated"],
)
def test_a_body_that_is_not_sealed_or_truncated_does_not_open(body):
    assert refusal(SEALS, body).code is Code.SEAL_NOT_OPENED


def test_sealing_without_a_key_fails_and_the_fault_names_the_variable():
    with pytest.raises(Fault) as raised:
        Seals([]).seal(BODY, TYPE, ADDRESS)

    assert raised.value.code is Code.SEALING_NOT_CONFIGURED
    assert raised.value.status == 501
    assert "PLT_SEAL_KEY" in raised.value.message
    assert not Seals([]).can_seal


def test_opening_without_a_key_is_sealing_not_configured():
    fault = refusal(Seals([]), SEALED)

    assert (fault.code, fault.status) == (Code.SEALING_NOT_CONFIGURED, 501)


def test_keys_can_be_rotated_without_interruption():
    """The new key is added to every process, then moved to the front, then the old is removed."""
    old, added, switched, new = (
        configured(text(*keys)) for keys in ([key(1)], [key(1), key(2)], [key(2), key(1)], [key(2)])
    )

    for sealing, opening in [
        (old, added),
        (added, old),
        (added, switched),
        (switched, added),
        (switched, new),
        (new, switched),
    ]:
        assert opening.open(sealing.seal(BODY, TYPE, ADDRESS), TYPE, ADDRESS) == BODY


def test_the_first_key_is_used_for_sealing():
    sealed = configured(f" {text(key(2))} , {text(key(1))} ").seal(BODY, TYPE, ADDRESS)

    assert Seals([key(2)]).open(sealed, TYPE, ADDRESS) == BODY
    assert refusal(SEALS, sealed).code is Code.SEAL_NOT_OPENED


@pytest.mark.parametrize("unset", ["", " ", ","])
def test_an_empty_variable_contains_no_key(unset):
    assert not configured(unset).can_seal


@pytest.mark.parametrize(
    ("wrong", "got"),
    [
        ("secret-canary!", "not Base64"),
        ("cänary", "not Base64"),
        (b64encode(b"canary").decode(), "6 bytes"),
        (f"{text(key(1))},{b64encode(b'x' * 33).decode()}", "33 bytes"),
    ],
)
def test_the_error_of_an_invalid_key_has_the_reason_and_does_not_show_the_key(wrong, got):
    with pytest.raises(ConfigurationError) as raised:
        configured(wrong)

    message = str(raised.value)
    assert message.startswith("PLT_SEAL_KEY=(not shown): expected Base64 of 32 bytes")
    assert got in message
    assert all(part not in message for part in wrong.split(","))


@pytest.fixture
def file(tmp_path):
    """A file with the first key."""
    return replace(tmp_path / "key", text(key(1)))


def from_file(file: Path, interval_s: float = 0.0) -> Seals:
    return Seals(Secret("", "PLT_SEAL_KEY", str(file)), interval_s)


def test_keys_in_a_file_are_rotated_while_the_process_runs(file):
    seals = from_file(file)
    assert Seals([key(1)]).open(seals.seal(BODY, TYPE, ADDRESS), TYPE, ADDRESS) == BODY

    replace(file, text(key(2), key(1)))

    sealed = seals.seal(BODY, TYPE, ADDRESS)
    assert Seals([key(2)]).open(sealed, TYPE, ADDRESS) == BODY
    assert seals.open(SEALED, TYPE, ADDRESS) == BODY
    assert seals.digest(BODY, like=SEALED) == SEALS.digest(BODY, like=SEALED)
    replace(file, text(key(2)))
    assert refusal(seals, SEALED).code is Code.SEAL_NOT_OPENED


def test_a_body_with_an_unknown_key_makes_the_file_be_read_at_once(file):
    seals = from_file(file, interval_s=3600)
    replace(file, text(key(2), key(1)))

    assert seals.open(Seals([key(2)]).seal(BODY, TYPE, ADDRESS), TYPE, ADDRESS) == BODY


@pytest.mark.parametrize("wrong", ["canary", b64encode(b"canary").decode(), "", " , ", "canary,,"])
def test_invalid_keys_in_a_file_keep_the_former_keys_and_are_logged_once(file, caplog, wrong):
    seals = from_file(file)

    replace(file, wrong)

    for _ in range(3):
        assert seals.open(seals.seal(BODY, TYPE, ADDRESS), TYPE, ADDRESS) == BODY
        refusal(seals, Seals([key(2)]).seal(BODY, TYPE, ADDRESS))
    assert len(caplog.messages) == 1
    assert f"PLT_SEAL_KEY_FILE='{file}' (content not shown): expected" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.parametrize(("wrong", "got"), [(" , ", "no key"), ("canary", "not Base64")])
def test_invalid_keys_in_a_file_at_the_start_are_an_error_with_the_path(file, wrong, got):
    replace(file, wrong)

    with pytest.raises(ConfigurationError, match=r"PLT_SEAL_KEY_FILE='.*key' \(content") as raised:
        from_file(file)

    assert got in str(raised.value)
    assert "canary" not in str(raised.value)
