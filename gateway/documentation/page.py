"""The frame of both pages, and a Content-Security-Policy that allows nothing from elsewhere."""

import base64
import hashlib
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from msgspec import Struct

FOLDER = Path(__file__).parent

LINKS = {
    "/documentation": "Operations",
    "/documentation/messages": "Messages",
    "/documentation/json": "OpenAPI",
    "/documentation/asyncapi": "AsyncAPI",
}


class Page(Struct, frozen=True):
    """A page and the headers of its response."""

    html: bytes
    headers: dict[str, str]


def page(
    here: str, info: dict[str, Any], content: str, *, head: str = "", script: str = ""
) -> Page:
    """Return a page; `here` is its path, `head` and `content` are HTML, `script` is JavaScript."""
    style = own_file("page.css")
    title = f"{info['title']} {info['version']}"
    name = LINKS[here]
    links = "".join(
        f'<a href="{path}"{" aria-current=page" if path == here else ""}>{text}</a>'
        for path, text in LINKS.items()
    )
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{name} · {escape(title)}</title>{head}<style>{style}</style>"
        + (f"<script>{script}</script>" if script else "")
        + '</head><body><header><a class="skip" href="#content">Skip to the content</a>'
        f'<nav aria-label="Documentation"><strong>{escape(title)}</strong>{links}</nav></header>'
        f'<main id="content" tabindex="-1">{content}</main></body></html>'
    )
    return Page(html.encode(), _headers(style, script))


@cache
def own_file(name: str) -> str:
    """Return the text of a file of this package, which a page contains."""
    return (FOLDER / name).read_text(encoding="utf-8")


def _headers(style: str, script: str) -> dict[str, str]:
    policy = {
        "default-src": "'none'",
        "script-src": f"'self' {_hash(script)}" if script else "'none'",
        "style-src": f"'self' {_hash(style)}",
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "cache-control": "no-cache",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
    }


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
