"""Errors in a kubeconfig are reported with their location and without secrets."""

from pathlib import Path
from typing import Any

import pytest

from deploy.failed import Failed
from deploy.kubeconfig import attachment
from tests.deploy.kubeconfigs import (
    AUTHORITY,
    CLUSTER,
    SECRET,
    base64_of,
    document,
    write,
    write_files,
)

WRONG: dict[str, tuple[Any, str]] = {
    "no YAML": (
        "{token: " + SECRET,
        r"config: neither YAML nor JSON \(line \d+\): expected a kube",
    ),
    "not a mapping": ("- a", "config: no mapping with `kind: Config`"),
    "another kind": ({"kind": "Pod"}, "config: no mapping with `kind: Config`"),
    "no current context": (
        document() | {"current-context": ""},
        'no current-context: expected one, or --context with one of "there"',
    ),
    "unknown context": (
        document() | {"current-context": "gone"},
        'no context "gone": expected one of "there"',
    ),
    "no contexts": ({"kind": "Config", "current-context": "x", "contexts": None}, "which has none"),
    "unknown cluster": (document() | {"clusters": []}, 'no cluster "c": expected one'),
    "unknown user": (document() | {"users": None}, 'no user "me": expected one'),
    "no user": (document() | {"contexts": [{"name": "there"}]}, "no cluster: expected"),
    "two of a name": (
        document() | {"users": document()["users"] * 2},
        "users: expected each name once",
    ),
    "a list of texts": (document() | {"users": ["me"]}, "users: expected a list of mappings"),
    "an odd namespace": (document(namespace="../x"), 'context "there": namespace: expected lower'),
    "no server": (document({}), 'cluster "c": no server: expected a URL such as https://host'),
    "a path without a scheme": (document({"server": "host:1/a"}), "server: expected a URL"),
    "an odd port": (document({"server": "https://h:x"}), 'cluster "c": server: expected a URL'),
    "a password in the URL": (
        document({"server": f"https://me:{SECRET}@host"}),
        "server: expected a URL .* without a user",
    ),
    "a proxy that kubectl does not know": (
        document(CLUSTER | {"proxy-url": f"socks4://me:{SECRET}@proxy"}),
        r'cluster "c": proxy-url=\(not shown\): expected a URL such as http://host:3128',
    ),
    "a proxy without a scheme": (
        document(CLUSTER | {"proxy-url": f"me:{SECRET}@proxy:3128"}),
        r'cluster "c": proxy-url=\(not shown\): expected a URL such as http://host:3128',
    ),
    "insecure and an authority": (
        document(AUTHORITY | {"insecure-skip-tls-verify": True}),
        "insecure-skip-tls-verify beside a certificate-authority: expected one of them",
    ),
    "an odd flag": (
        document(CLUSTER | {"insecure-skip-tls-verify": "yes"}),
        "insecure-skip-tls-verify: expected true or false",
    ),
    "no such authority": (
        document(CLUSTER | {"certificate-authority": "gone.pem"}),
        "certificate-authority: .*gone.pem No such file or directory: expected a file",
    ),
    "an authority without PEM": (
        document(CLUSTER | {"certificate-authority": "token"}),
        "certificate-authority: .*token: expected PEM certificates",
    ),
    "no base64": (
        document(CLUSTER | {"certificate-authority-data": f"%{SECRET}"}),
        'cluster "c": certificate-authority-data: expected base64 \\(it is not shown',
    ),
    "no key": (document(user={"client-certificate": "me.pem"}), "client-key: expected .* PEM"),
    "a key without PEM": (
        document(user={"client-certificate": "me.pem", "client-key-data": base64_of(SECRET)}),
        "client-key: expected .* PEM .*not shown",
    ),
    "an empty token file": (document(user={"tokenFile": "ca.pem"}), "tokenFile: expected one word"),
    "two tokens": (document(user={"token": f"{SECRET} {SECRET}"}), "token: expected one word"),
    "a mapping for a token": (
        document(user={"token": {"value": SECRET}}),
        r"token: expected text \(the value is not shown\)",
    ),
}


@pytest.mark.parametrize(("values", "message"), WRONG.values(), ids=WRONG.keys())
def test_an_error_is_reported_with_its_location_and_without_secrets(
    tmp_path: Path, values: Any, message: str
) -> None:
    folder = write_files(tmp_path)

    with pytest.raises(Failed, match=message) as raised:
        attachment.read(write(folder, values))

    assert str(raised.value).startswith(str(folder / "config"))
    assert SECRET not in str(raised.value)
