"""The page of the messages: the AsyncAPI document as HTML.

The standalone renderers of AsyncAPI take 2.5 to 3 MB of JavaScript, and messages cannot be tried in
a browser.
"""

from html import escape
from typing import Any

from contracts.api import OPERATIONS
from contracts.documents.asyncapi_messages import DEAD
from contracts.outcomes import OUTCOME
from gateway.documentation import publish
from gateway.documentation.markup import anchored, block, json_of, links, table, text_of
from gateway.documentation.page import Page, page

HERE = "/documentation/messages"

EVENTS = "events"
"""The channel of the messages that producers may publish."""

READ = {OUTCOME: "machinist audit list", DEAD: "machinist dead list"}
"""The command lines that print the messages which machinist publishes."""

HOW_TO_PUBLISH = """\
A command has a line that publishes its example to `machinist.events` over RabbitMQ's HTTP API. The
operation `event` names the commands that a producer may publish; its user needs the tag
`management`. `RABBITMQ_URL` is the URL of the management UI, and `RABBITMQ_VHOST` is
percent-encoded: `%2F` for the virtual host `/`."""


def render(document: dict[str, Any]) -> Page:
    """Return the page of an AsyncAPI document."""
    info, components = document["info"], document["components"]
    published = _names(document["channels"][EVENTS]["messages"].values())
    sections = {
        "Channels": [_channel(*each) for each in document["channels"].items()],
        "Operations": [_operation(*each) for each in document["operations"].items()],
        "Messages": [
            text_of(HOW_TO_PUBLISH),
            *(
                _message(name, message, is_published=name in published)
                for name, message in components["messages"].items()
            ),
        ],
        "Schemas": [
            anchored(f"schema-{name}", name, json_of(schema))
            for name, schema in sorted(components["schemas"].items())
        ],
    }
    contents = "".join(f'<li><a href="#{title}">{title}</a>' for title in sections)
    content = (
        f"<h1>Messages of {escape(info['title'])}</h1>{text_of(info['description'])}"
        f"<ul>{contents}</ul>"
        + "".join(
            f'<h2 id="{title}">{title}</h2>{"".join(parts)}' for title, parts in sections.items()
        )
    )
    return page(HERE, info, f'<div class="messages">{content}</div>')


def _channel(name: str, channel: dict[str, Any]) -> str:
    amqp = channel["bindings"]["amqp"]
    kind = f"{amqp['exchange']['type']} exchange" if "exchange" in amqp else "queue"
    address = channel["address"]
    rows = {
        "AMQP": f"{kind} <code>{escape(channel['title'])}</code>",
        "Routing key": f"<code>{escape(address)}</code>" if address else "",
        **{
            f"{{{parameter}}}": text_of(each["description"]) + _values(each)
            for parameter, each in channel.get("parameters", {}).items()
        },
        "Messages": links("message", _names(channel["messages"].values())),
    }
    return anchored(f"channel-{name}", name, text_of(channel.get("description", "")) + table(rows))


def _values(parameter: dict[str, Any]) -> str:
    values = parameter.get("enum") or parameter.get("examples", [])
    label = "One of" if "enum" in parameter else "Example:"
    return f" {label} {', '.join(f'<code>{escape(each)}</code>' for each in values)}"


def _operation(name: str, operation: dict[str, Any]) -> str:
    reply = operation.get("reply", {})
    delivery = operation.get("bindings", {}).get("amqp", {}).get("deliveryMode")
    rows = {
        "Action": escape(operation["action"]),
        "Channel": links("channel", _names([operation["channel"]])),
        "Delivery mode": {1: "1, transient", 2: "2, persistent"}.get(delivery, ""),
        "Messages": links("message", _names(operation["messages"])),
        "Replies": links("message", _names(reply.get("messages", []))),
    }
    return anchored(name, name, text_of(operation["summary"]) + table(rows))


def _message(name: str, message: dict[str, Any], *, is_published: bool) -> str:
    examples, payload = message["examples"], message["payload"]
    lines = [publish.line(name, examples[0]["payload"]) if is_published else READ.get(name)]
    rows = {
        "Over HTTP": f'<a href="/documentation#{name}">{name}</a>' if name in OPERATIONS else "",
        "Content type": escape(message.get("contentType", "")),
        "Headers": links("schema", _names([message["headers"]])),
        "Payload": links("schema", _names([payload])) if "$ref" in payload else json_of(payload),
        "Command line": "".join(block(escape(line)) for line in lines if line),
    }
    shown = "".join(
        f"<details><summary>Example: {escape(each['name'])}</summary>"
        f"{json_of({key: each[key] for key in ('headers', 'payload') if key in each})}</details>"
        for each in examples
    )
    description = text_of(f"{message['summary']}\n\n{message.get('description', '')}")
    return anchored(f"message-{name}", name, description + table(rows) + shown)


def _names(references: Any) -> list[str]:
    return [each["$ref"].rpartition("/")[2] for each in references]
