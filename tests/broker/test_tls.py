"""Connections to the broker over TLS."""

import re
import ssl
from pathlib import Path

import pytest
import trustme

from tests.proxy import relay
from tests.stack import Stack, eventually


@pytest.fixture
def authority() -> trustme.CA:
    """The certificate authority of the broker."""
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA) -> ssl.SSLContext:
    """The TLS context of the broker."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def url_of(stack: Stack, port: int, ca: Path) -> str:
    """Return the broker's amqps URL for a port."""
    plain = re.sub(r":\d+/", f":{port}/", stack.amqp_url)
    return plain.replace("amqp://", "amqps://") + f"?cafile={ca}"


def test_a_round_trip_over_tls(
    stack: Stack, authority: trustme.CA, server: ssl.SSLContext, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    with relay(stack.node.port, server) as link:
        url = url_of(stack, link.port, ca)
        stack.worker(PLT_AMQP_URL=url)
        gateway = stack.gateway(PLT_AMQP_URL=url)

        eventually(lambda: gateway.attended_by(1), what="the worker is attached")

        assert gateway.get("/k8s/machines/default").status_code == 200


def test_a_broker_certificate_of_another_authority_is_not_trusted(
    stack: Stack, server: ssl.SSLContext, tmp_path: Path
) -> None:
    ca = tmp_path / "other-ca.pem"
    trustme.CA().cert_pem.write_to_path(str(ca))
    with relay(stack.node.port, server) as link:
        gateway = stack.gateway(PLT_AMQP_URL=url_of(stack, link.port, ca))

        def reason() -> str:
            broker = gateway.ready().get("broker")
            return str(broker.get("reason")) if isinstance(broker, dict) else ""

        eventually(
            lambda: "certificate verify failed" in reason().lower(), what="the reason is reported"
        )
        assert gateway.get("/ready").status_code == 503
