"""The page of the operations: Swagger UI over the OpenAPI document, with a curl line for each."""

from typing import Any

import msgspec

from gateway.documentation import curl
from gateway.documentation.page import Page, own_file, page

SWAGGER_UI = "5.35.0"
"""The version of Swagger UI; swagger_ui/README.md describes the change to another one."""

# Browsers keep the files of a version.
SCRIPT = f"/documentation/swagger-ui/{SWAGGER_UI}/swagger-ui-bundle.js"
STYLE = f"/documentation/swagger-ui/{SWAGGER_UI}/swagger-ui.css"


def render(document: dict[str, Any], uses_tokens: bool, has_certificate: bool) -> Page:
    """Return the page; the curl lines have a token or a certificate if clients need it."""
    lines = curl.lines(document, uses_tokens=uses_tokens, has_certificate=has_certificate)
    operations = {
        operation["operationId"]: {
            "tag": operation["tags"][0],
            "curl": lines[operation["operationId"]],
        }
        for methods in document["paths"].values()
        for operation in methods.values()
    }
    # A block of data is no script: the policy of the page does not apply to it.
    data = msgspec.json.encode(operations).decode().replace("<", r"\u003c")
    content = (
        f'<script type="application/json" id="operations">{data}</script><div id="swagger-ui">'
        '<noscript>This page needs JavaScript. <a href="/documentation/json">The OpenAPI document'
        "</a> has the same content.</noscript></div>"
    )
    head = f'<link rel="stylesheet" href="{STYLE}"><script src="{SCRIPT}" defer></script>'
    return page(
        "/documentation", document["info"], content, head=head, script=own_file("operations.js")
    )
