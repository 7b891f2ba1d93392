"""Parts of the page of messages: anchors, tables, texts with code, and JSON with links."""

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import msgspec

REFERENCE = re.compile(r"&quot;#/components/schemas/(\w+)&quot;")
CODE = re.compile("`([^`]+)`")


def anchored(anchor: str, title: str, content: str) -> str:
    """Return a section whose heading is a link to itself."""
    heading = f'<h3><a href="#{escape(anchor)}">{escape(title)}</a></h3>'
    return f'<section id="{escape(anchor)}">{heading}{content}</section>'


def links(kind: str, names: Iterable[str]) -> str:
    """Return links to sections of this page, whose anchors are `<kind>-<name>`."""
    return ", ".join(f'<a href="#{kind}-{escape(name)}">{escape(name)}</a>' for name in names)


def table(rows: Mapping[str, str]) -> str:
    """Return a table of HTML by its row headings, without the empty rows."""
    filled = "".join(
        f'<tr><th scope="row">{escape(name)}<td>{value}' for name, value in rows.items() if value
    )
    return f"<table>{filled}</table>"


def text_of(text: str) -> str:
    """Return paragraphs; words in backquotes are code."""
    marked = CODE.sub(r"<code>\1</code>", escape(text))
    return "".join(f"<p>{each}</p>" for each in marked.split("\n\n") if each.strip())


def json_of(value: Any) -> str:
    """Return a value as indented JSON with its schema references as links."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    return block(REFERENCE.sub(lambda found: links("schema", [found[1]]), escape(text)))


def block(content: str) -> str:
    """Return a block of preformatted HTML, which the keyboard reaches."""
    return f'<pre tabindex="0">{content}</pre>'
