"""Metrics of the newest run of the connectivity test that is over. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from calico_dcos.core.connectivity import Outcome, Run


def build_run_gauges(run: Run | None) -> Iterator[Metric]:
    """Build what is measured of a run; nothing before the first one is over."""
    if run is None or run.ended_at is None:
        return
    passed = int(run.outcome is Outcome.PASSED)
    yield GaugeMetricFamily("calico_connectivity_passed", "Whether the last connectivity test passed", passed)
    told = "When the last connectivity test ended, in seconds since the epoch"
    yield GaugeMetricFamily("calico_connectivity_ended_timestamp_seconds", told, run.ended_at)
    counts = Counter((one.test, one.action, one.outcome) for pair in run.pairs for one in pair.results)
    actions = GaugeMetricFamily(
        "calico_connectivity_actions",
        "Actions of the last connectivity test by how they went",
        labels=["test", "action", "outcome"],
    )
    for (test, action, outcome), count in sorted(counts.items(), key=lambda item: (*item[0][:2], item[0][2].value)):
        actions.add_metric([test, action, outcome.value], count)
    yield actions
    failures = sum(count for (_, _, outcome), count in counts.items() if outcome is Outcome.FAILED)
    yield GaugeMetricFamily("calico_connectivity_failures", "Actions that failed in it", failures)
    times = GaugeMetricFamily(
        "calico_connectivity_rtt_seconds", "Round-trip times of its pings", labels=["test", "client", "server"]
    )
    for pair in run.pairs:
        for one in pair.results:
            if one.action == "ping" and one.rtt_ms is not None:
                times.add_metric([one.test, pair.client, pair.server], one.rtt_ms / 1000)
    yield times
