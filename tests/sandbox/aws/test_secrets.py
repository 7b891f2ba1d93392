"""Secrets Manager: secrets that are scheduled for deletion, and statuses."""

from typing import Any

from tests.sandbox.aws.refusals import refused


def test_a_secret_scheduled_for_deletion_can_be_neither_created_nor_changed(secrets: Any) -> None:
    secrets.create_secret(Name="pull", SecretString="a")
    secrets.delete_secret(SecretId="pull", RecoveryWindowInDays=7)

    with refused("InvalidRequestException", "scheduled for deletion"):
        secrets.create_secret(Name="pull", SecretString="b")
    with refused("InvalidRequestException", "marked for deletion"):
        secrets.put_secret_value(SecretId="pull", SecretString="b")
    with refused("InvalidRequestException", "marked for deletion"):
        secrets.update_secret(SecretId="pull", SecretString="b")
    secrets.restore_secret(SecretId="pull")
    secrets.put_secret_value(SecretId="pull", SecretString="b")
    assert secrets.get_secret_value(SecretId="pull")["SecretString"] == "b"


def test_a_second_secret_of_a_name_is_a_conflict(secrets: Any) -> None:
    secrets.create_secret(Name="pull", SecretString="a")
    with refused("ResourceExistsException"):
        secrets.create_secret(Name="pull", SecretString="b")


def test_an_unknown_secret_is_400_as_every_error_in_json(secrets: Any) -> None:
    with refused("ResourceNotFoundException"):
        secrets.get_secret_value(SecretId="absent")
    with refused("ResourceNotFoundException"):
        secrets.put_secret_value(SecretId="absent", SecretString="b")


def test_deleting_by_force_succeeds_without_a_secret(secrets: Any) -> None:
    secrets.create_secret(Name="pull", SecretString="a")
    for _ in range(2):
        secrets.delete_secret(SecretId="pull", ForceDeleteWithoutRecovery=True)


def test_names_and_sizes_have_limits(secrets: Any) -> None:
    with refused("ValidationException", "Invalid name"):
        secrets.create_secret(Name="a b", SecretString="a")
    with refused("ValidationException", "65536"):
        secrets.create_secret(Name="big", SecretString="a" * 65_537)
