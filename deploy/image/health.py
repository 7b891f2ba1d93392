"""The health check of the images: exit status 0 if the process of this container is alive.

Asks `/live` on PLT_METRICS_PORT, or `/status` of a gateway's main port if PLT_METRICS_PORT is
`off`. Standard library only, because it runs every ten seconds: 0.1 s of CPU per run.
"""

import http.client
import os
import ssl
import sys
from collections.abc import Mapping

TIMEOUT_S = 4
WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses of all interfaces, with the loopback address to connect to."""


def target(environ: Mapping[str, str]) -> tuple[str, str, int, str]:
    """Return scheme, host, port and path of the check."""
    metrics = environ.get("PLT_METRICS_PORT") or "9090"
    if metrics != "off":
        host = environ.get("PLT_METRICS_HOST") or "127.0.0.1"
        return "http", WILDCARDS.get(host, host), int(metrics), "/live"
    host = environ.get("PLT_HOST") or "127.0.0.1"
    port = int(environ.get("PLT_PORT") or "3042")
    scheme = "https" if environ.get("PLT_TLS_CERT") else "http"
    return scheme, WILDCARDS.get(host, host), port, "/status"


def connection(scheme: str, host: str, port: int) -> http.client.HTTPConnection:
    """Return a connection; the certificate names another host and is not verified."""
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=context)


def main() -> None:
    """Exit with status 0 after a 200, else with status 1 and the reason."""
    scheme, host, port, path = target(os.environ)
    url = f"{scheme}://{host}:{port}{path}"
    peer = connection(scheme, host, port)
    try:
        peer.request("GET", path)
        status = peer.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        sys.exit(f"{url}: {error}")
    finally:
        peer.close()
    if status != http.client.OK:
        sys.exit(f"{url}: status {status}, expected 200")


if __name__ == "__main__":
    main()
