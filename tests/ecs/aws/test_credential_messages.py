"""The errors of a worker without credentials: they name the variable and quote no source."""

import os

import pytest

from tests.ecs.aws.credential_sources import assume_role, refused


@pytest.mark.parametrize("uri", ["nope", "http://s3cret.example/s3cret", "http://a:s3cret@b/"])
async def test_a_refused_credentials_url_is_named_by_its_variable(bare, monkeypatch, uri):
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)

    message = await refused(bare)

    assert "AWS_CONTAINER_CREDENTIALS_FULL_URI: expected a URL" in message
    assert "s3cret" not in message


@pytest.mark.parametrize("token", [b"s3cret\n", b"s3cret\xff", b"s3cret\0"])
async def test_a_malformed_authorization_token_file_is_named_by_its_variables(
    bare, source, monkeypatch, tmp_path, token
):
    (tmp_path / "token").write_bytes(token)
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(tmp_path / "token"))

    message = await refused(bare)

    assert "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE" in message
    assert "s3cret" not in message


@pytest.mark.parametrize("token", [b"s3cret\r\n", b"s3cret\xff"])
async def test_a_malformed_authorization_token_is_named_by_its_variable(
    bare, source, monkeypatch, token
):
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", os.fsdecode(token))

    message = await refused(bare)

    assert "AWS_CONTAINER_AUTHORIZATION_TOKEN, or" in message
    assert "s3cret" not in message


async def test_an_invalid_sts_endpoint_is_named_by_its_variable(bare, monkeypatch, tmp_path):
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
async def test_an_incomplete_profile_is_reported_with_the_missing_setting(bare, profile, words):
    message = await refused(bare | {"AWS_PROFILE": profile})

    assert words in message
    assert "s3cret" not in message


@pytest.mark.parametrize("status", ["500 Failed", "403 Forbidden"])
async def test_the_body_of_a_credentials_endpoint_is_not_quoted(bare, source, status):
    """The body may contain a secret, or lines that look like the worker's own log."""
    source.status = status
    source.answer = "s3cret\n2026-01-01 00:00:00,000 INFO    worker.app: everything is fine"

    message = await refused(bare)

    assert f"their source answered with status {status[:3]}" in message
    assert "s3cret" not in message
    assert "\n" not in message


async def test_an_sts_message_is_one_line_of_limited_length(bare, source, monkeypatch, tmp_path):
    assume_role(monkeypatch, tmp_path, os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"])
    source.status = "403 Forbidden"
    text = "not for you\n2026-01-01 INFO everything is fine" + "x" * 5000
    source.answer = (
        f"<ErrorResponse><Error><Code>AccessDenied</Code><Message>{text}</Message></Error>"
        "</ErrorResponse>"
    )

    message = await refused(bare)

    assert r"not for you\n2026" in message
    assert len(message) < 600


async def test_an_unreachable_credentials_url_is_reported_without_its_path(bare, monkeypatch):
    uri = "http://user:s3cret@127.0.0.1:1/s3cret?token=s3cret"
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", uri)

    message = await refused(bare)

    assert 'Could not connect to the endpoint URL: "http://127.0.0.1:1"' in message
    assert "s3cret" not in message
