"""Findings about the seal keys of gateways and workers."""

from contracts.seal import Seals
from gateway.console.doctor.finding import Severity
from gateway.console.doctor.seal_keys import findings
from tests.console.doctor.builders import KEY, only, worker

OTHER = "8899aabbccddeeff"


def test_workers_with_the_key_of_the_gateways_have_no_findings():
    assert list(findings([KEY], [worker(), worker(seal_keys=[OTHER, KEY])])) == []


def test_no_key_anywhere_is_no_finding():
    assert list(findings([], [worker(seal_keys=[])])) == []


def test_a_worker_of_an_earlier_version_is_not_compared():
    assert list(findings([KEY], [worker(seal_keys=None)])) == []


def test_a_worker_without_a_key_is_found():
    found = only(findings([KEY], [worker(seal_keys=[])]))

    assert (found.check, found.severity) == ("seal-key-missing", Severity.ERROR)
    assert "501 sealing_not_configured" in found.meaning


def test_a_worker_without_the_sealing_key_is_found_although_it_has_the_second_one():
    found = only(findings([KEY, OTHER], [worker(seal_keys=[OTHER])]))

    assert found.check == "seal-key-different"
    assert f"has not the key {KEY}" in found.what


def test_outside_of_a_gateway_only_workers_are_compared_with_each_other():
    alike = list(findings([], [worker("a"), worker("b")]))
    different = list(findings([], [worker("a"), worker("b", seal_keys=[OTHER])]))
    of_others = list(findings([], [worker("a"), worker("b", provider="ecs", seal_keys=[OTHER])]))

    assert [each.severity for each in alike] == [Severity.UNCHECKED]
    assert [each.check for each in different] == ["seal-keys", "seal-keys-differ"]
    assert [each.check for each in of_others] == ["seal-keys"]


def test_the_names_of_keys_are_those_in_sealed_bodies_and_reveal_no_key():
    seals = Seals([b"k" * 32, b"l" * 32])

    first, second = seals.names

    assert bytes.fromhex(first) == seals.seal(b"", "apply_secret", "secrets.a.b")[1:9]
    assert second != first
    assert len(first) == 16
    assert (b"k" * 8).hex() != first
