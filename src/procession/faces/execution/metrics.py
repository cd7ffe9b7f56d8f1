"""The server's numbers in Prometheus's text format."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from procession.faces.endpoint import Load

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class _Numbers:
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def metrics_text(load: Load, streams: int, states: Mapping[str, int]) -> bytes:
    """`states` is how many processes that have not ended are in each state."""
    answered = CounterMetricFamily(
        "procession_requests",
        "Requests answered, by endpoint and status.",
        labels=["method", "path", "status"],
    )
    for (method, path, status), count in load.answered.items():
        answered.add_metric([method, path, str(status)], count)
    processes = GaugeMetricFamily(
        "procession_processes", "Processes that have not ended, by state.", labels=["state"]
    )
    for state, count in states.items():
        processes.add_metric([state], count)
    gauges = [
        GaugeMetricFamily("procession_requests_in_work", "Requests in work.", value=load.count),
        GaugeMetricFamily("procession_requests_waiting", "Long polls.", value=load.waiting),
        GaugeMetricFamily("procession_streams_open", "Open streams.", value=streams),
    ]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers([answered, processes, *gauges]))
    return generate_latest(registry)
