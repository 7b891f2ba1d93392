"""What a worker without credentials says: the variable or key, and nothing of their source."""

import os

import pytest

from tests.ecs.aws.credential_sources import assume_role, refused


@pytest.mark.parametrize("uri", ["nope", "http://s3cret.example/s3cret", "http://a:s3cret@b/"])
async def test_an_address_of_credentials_that_is_not_allowed_is_named_by_its_variable(
    bare, monkeypatch, uri
):
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)

    said = await refused(bare)

    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI: expected a URL" in said
    assert "s3cret" not in said


@pytest.mark.parametrize("token", [b"s3cret\n", b"s3cret\xff", b"s3cret\0"])
async def test_a_token_for_credentials_that_is_no_line_of_text_is_named_by_its_variables(
    bare, source, monkeypatch, tmp_path, token
):
    (tmp_path / "token").write_bytes(token)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))

    said = await refused(bare)

    assert "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" in said
    assert "s3cret" not in said


@pytest.mark.parametrize("token", [b"s3cret\r\n", b"s3cret\xff"])
async def test_a_token_of_the_environment_that_is_no_line_of_text_is_named_by_its_variable(
    bare, source, monkeypatch, token
):
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", os.fsdecode(token))

    said = await refused(bare)

    assert "AWS_CONTAINER_AUTHORIZATION_TOKEN, or" in said
    assert "s3cret" not in said


async def test_an_endpoint_of_sts_that_is_none_is_named_by_its_variable(
    bare, monkeypatch, tmp_path
):
    assume_role(monkeypatch, tmp_path, "nope")

    assert "AWS_ENDPOINT_URL_STS" in await refused(bare)


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ("half", "shared-credentials-file: expected also aws_secret_access_key"),
        ("process-without-secret", "output of credential_process has no SecretAccessKey"),
        ("process-that-fails", "the command of credential_process failed"),
    ],
)
async def test_a_profile_that_gives_no_credentials_is_told_by_what_it_lacks(bare, profile, words):
    said = await refused(bare | {"AWS_PROFILE": profile})

    assert words in said
    assert "s3cret" not in said


@pytest.mark.parametrize("status", ["500 Failed", "403 Forbidden"])
async def test_what_a_source_of_credentials_says_beside_its_status_is_shown_nowhere(
    bare, source, status
):
    """It may hold a secret, or lines that look like those of the worker's own log."""
    source.status = status
    source.said = "s3cret\n2026-01-01 00:00:00,000 INFO    worker.app: everything is fine"

    said = await refused(bare)

    assert f"their source answered with status {status[:3]}" in said
    assert "s3cret" not in said
    assert "\n" not in said


async def test_what_sts_says_is_one_line_of_limited_length(bare, source, monkeypatch, tmp_path):
    assume_role(monkeypatch, tmp_path, os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    source.status = "403 Forbidden"
    message = "not for you\n2026-01-01 INFO everything is fine" + "x" * 5000
    source.said = (
        f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>{message}</Message></Error>"
        "</ErrorResponse>"
    )

    said = await refused(bare)

    assert r"not for you\n2026" in said
    assert len(said) < 600


async def test_a_source_that_is_not_there_is_told_without_the_path_that_entitles_to_credentials(
    bare, monkeypatch
):
    uri = "http://user:s3cret@127.0.0.1:1/s3cret?token=s3cret"
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)

    said = await refused(bare)

    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:1"' in said
    assert "s3cret" not in said
