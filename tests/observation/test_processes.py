"""The metrics of a real gateway and real workers, to which everything has happened."""

import httpx

from tests.observation import shipped
from tests.observation.scene import Scene
from tests.stack import Stack


def test_every_metric_and_label_of_dashboard_and_alerts_exists(
    stack: Stack, management: httpx.Client
) -> None:
    scene = Scene(stack, management)

    scene.run()

    for query in shipped.queries():
        for metric, labels in query.metrics.items():
            if metric.startswith("rabbitmq_"):
                continue
            assert metric in scene.seen, query.text
            assert labels <= scene.seen[metric] | shipped.OF_PROMETHEUS, (query.text, metric)
