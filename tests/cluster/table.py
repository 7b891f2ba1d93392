"""Writes the measurements of node losses to a Markdown table, one row per broker and loss.

PLT_NODE_LOSS_TABLE is the file. A new row replaces the row of the same broker and loss.
"""

import re
from pathlib import Path

from tests.cluster.measures import BrokenPromises, Outage

VARIABLE = "PLT_NODE_LOSS_TABLE"
TITLE = """\
# The loss of a node, measured

`deploy/test --full` renews this page. To renew the rows of one broker, run

```sh
PLT_RABBITMQ_BIN=FOLDER PLT_NODE_LOSS_TABLE=deploy/rabbitmq/node-loss.md \\
    python -m pytest -m cluster --timeout=700 tests/cluster/test_node_loss.py
```

Three nodes with `three-nodes/rabbitmq.conf`, two gateways, three workers, the Kubernetes stand-in;
16 controllers that are scaled through both gateways, readers, and event producers: about 80
requests and events per second on two cores. All settings of machinist have their defaults
(`PLT_DEADLINE_MS`: 10 s for queries, 30 s for commands). The node starts again, or continues, under
load.

- **not 200**: the time from the start of the first failed request to the start of the first request
  that succeeded after the last failure. **longest**: the longest single request, in seconds.
- **503**, **504**: requests by status; no other error occurred. **open**: events without a confirm,
  whose connection was lost; **refused**: returned or nacked events. All are repeated.
- **lost**: accepted commands (200 or confirm) without an effect. **order**: violations that
  `tests/history/checker.py` finds. **not there**: 200, but no effect on the platform. **run**: 429,
  503, return or nack, but the command was run. **outcome**: accepted commands without a final
  outcome, or with contradictory ones. A command that is redelivered after a lost connection may
  have two: `superseded` or `done`, then `done`.
- **started**: the seconds until a gateway and a worker were ready that were started while the node
  was down.

"""
COLUMNS = (
    "RabbitMQ", "loss", "requests", "not 200", "longest", "503", "504", "events", "refused", "open",
    "lost", "order", "not there", "run", "outcome", "started",
)  # fmt: skip
RULE = "|" + "|".join(["---", "---", *["--:"] * (len(COLUMNS) - 2)]) + "|"


def cells(
    outage: Outage, events: dict[str, int], broken: BrokenPromises, started: float
) -> list[str]:
    """Return the cells after the first two columns."""
    statuses = outage.statuses
    return [
        str(sum(statuses.values())),
        f"{outage.seconds:.1f} s",
        f"{outage.longest:.1f} s",
        str(statuses.get(503, 0)),
        str(statuses.get(504, 0)),
        str(sum(events.values())),
        str(events.get("refused", 0)),
        str(events.get("open", 0)),
        *(str(len(getattr(broken, name))) for name in broken.__struct_fields__),
        f"{started:.1f} s",
    ]


def renew(file: Path, broker: str, loss: str, results: list[str]) -> None:
    """Write a row to the file, in place of the row of the same broker and loss."""
    lines = file.read_text().splitlines() if file.exists() else []
    rows = [line for line in lines if line.startswith("| ")][1:]
    row = "| " + " | ".join([broker, loss, *results]) + " |"
    same = [number for number, each in enumerate(rows) if _key(each) == (broker, loss)]
    if same:
        rows[same[0]] = row
    else:
        rows.append(row)
    rows.sort(key=lambda each: _key(each)[0])
    head = "| " + " | ".join(COLUMNS) + " |"
    file.write_text(TITLE + "\n".join([head, RULE, *rows]) + "\n")


def _key(row: str) -> tuple[str, str]:
    broker, loss = re.split(r"\s*\|\s*", row)[1:3]
    return broker, loss
