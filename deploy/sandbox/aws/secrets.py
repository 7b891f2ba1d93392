"""Validation of Secrets Manager requests that moto lacks."""

import re

from deploy.sandbox.aws.account import Account
from deploy.sandbox.aws.messages import Json, Refusal

_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_MAX_BYTES = 65_536


def check_create(account: Account, params: Json) -> None:
    if not _NAME.fullmatch(params["Name"]):
        raise Refusal(
            "ValidationException",
            "Invalid name. Must be a valid name containing alphanumeric characters, "
            "or any of the following: -/_+=.@!",
        )
    _check_size(params)
    if _is_leaving(account, params["Name"]):
        raise _refused(
            "You can't create this secret because a secret with this name is already "
            "scheduled for deletion."
        )


def check_put(account: Account, params: Json) -> None:
    _check_size(params)
    if _is_leaving(account, params["SecretId"]):
        raise _refused(
            "You can't perform this operation on the secret because it was marked for deletion."
        )


def _is_leaving(account: Account, id: str) -> bool:
    secret = account.secrets.secrets.get(id)
    return secret is not None and bool(secret.is_deleted())


def _check_size(params: Json) -> None:
    if len(params.get("SecretString", "").encode()) > _MAX_BYTES:
        raise Refusal(
            "ValidationException",
            "Member must have length less than or equal to 65536 at 'secretString'",
        )


def _refused(message: str) -> Refusal:
    return Refusal("InvalidRequestException", message)
