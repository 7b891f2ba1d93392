"""The ratios of a report as an SVG of bars, readable on light and dark pages."""

from html import escape
from math import log10

from tests.bench.results.report import Compared, Report
from tests.bench.rows import DIRECT, MACHINIST, RAW

WIDTH, LEFT, RIGHT = 760, 210, 70
TOP, BAR, GAP, GROUP = 62, 13, 3, 46
LEAST, MOST = 0.1, 100.0
TICKS = (0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
WAYS = {DIRECT: "direct", RAW: "raw"}
"""The classes of the bars."""

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #24292f; }
  .title { font-size: 14px; font-weight: 600; }
  .small { font-size: 11px; fill: #57606a; }
  .direct { fill: #0969da; } .raw { fill: #8c6bb1; }
  .grid { stroke: #d0d7de; } .one { stroke: #57606a; stroke-width: 1.5; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .small { fill: #9198a1; }
    .direct { fill: #4493f8; } .raw { fill: #b392d6; }
    .grid { stroke: #3d444d; } .one { stroke: #9198a1; }
  }
"""


def svg(report: Report) -> str:
    """Return the plot: how many times as fast as each other way machinist is."""
    bottom = TOP + GROUP * len(report.compared)
    captions = _captions(report)
    height = bottom + 34 + 16 * len(captions)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(_spoken(report))}">',
        f"<style>{STYLE}</style>",
        _text(10, 22, "How many times as fast machinist is", "title"),
        *_legend(),
        *_axis(bottom),
        *(part for number, each in enumerate(report.compared) for part in _group(number, each)),
        *(_text(10, bottom + 36 + 16 * n, line, "small") for n, line in enumerate(captions)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _legend() -> list[str]:
    words = {
        DIRECT: "as a service that asks the API server for each request",
        RAW: "as the API server itself",
    }
    parts, x = [], 10
    for way, name in WAYS.items():
        parts += [_bar(x, 34, 12, name), _text(x + 18, 44, words[way])]
        x += 350
    return parts


def _axis(bottom: int) -> list[str]:
    parts = []
    for tick in TICKS:
        x, name = _x(tick), "one" if tick == 1 else "grid"
        parts.append(f'<line class="{name}" x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(_text(x, bottom + 16, f"{tick:g}x", "small", "middle"))
    return parts


def _group(number: int, each: Compared) -> list[str]:
    top = TOP + GROUP * number + 8
    unit = "/s" if each.is_rate else " ms"
    clients = "1 client" if each.at_once == 1 else f"{each.at_once} clients"
    figure = each.figure(MACHINIST)
    shown = (
        f"{figure:,.0f}" if figure >= 100 else f"{figure:.2g}" if figure < 10 else f"{figure:.0f}"
    )
    parts = [
        _text(LEFT - 10, top + 11, each.what, anchor="end"),
        _text(LEFT - 10, top + 26, f"{clients}: {shown}{unit}", "small", "end"),
    ]
    for index, (way, name) in enumerate(WAYS.items()):
        y, end = top + index * (BAR + GAP), _x(each.speed(way))
        parts.append(_bar(LEFT, y, end - LEFT, name))
        parts.append(_text(end + 6, y + 11, f"{each.speed(way):.2g}x", "small"))
    return parts


def _captions(report: Report) -> list[str]:
    of = report.measured_on
    lines = [
        f"machinist {of['machinist']}; {of['broker']}; {of['machine']}; {of['date']}.",
        f"API server: {of['API server']}. Rounds: {of['rounds']}. Other programs {of['others']}.",
        "Only machinist's scalings are durable and audited.",
    ]
    if report.is_sandbox:
        lines.append(
            "The sandbox, in Python, carries fewer requests per second than a real API server, "
            "which flatters machinist."
        )
    return lines


def _spoken(report: Report) -> str:
    return "; ".join(
        f"{each.what}, {each.at_once} at once: {each.speed(DIRECT):.2g} times as fast as directly, "
        f"{each.speed(RAW):.2g} times as fast as the API server"
        for each in report.compared
    )


def _x(ratio: float) -> float:
    share = log10(min(max(ratio, LEAST), MOST) / LEAST) / log10(MOST / LEAST)
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _bar(x: float, y: float, width: float, name: str) -> str:
    return (
        f'<rect class="{name}" x="{x}" y="{y}" width="{max(width, 1):.1f}" height="{BAR}" rx="2"/>'
    )


def _text(x: float, y: float, text: str, name: str = "", anchor: str = "start") -> str:
    return f'<text class="{name}" x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
