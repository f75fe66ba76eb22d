"""Metrics of the newest run of the connectivity test that is over. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from calico_dcos.core.connectivity import Outcome, Run


def build_run_gauges(run: Run | None) -> Iterator[Metric]:
    """Build what is measured of a run; before the first one is over, the metrics have no values."""
    passed = GaugeMetricFamily("calico_connectivity_passed", "Whether the last connectivity test passed", labels=[])
    ended = GaugeMetricFamily("calico_connectivity_ended_timestamp_seconds", "When it ended, as Unix time", labels=[])
    failures = GaugeMetricFamily("calico_connectivity_failures", "Actions that failed in it", labels=[])
    actions = GaugeMetricFamily(
        "calico_connectivity_actions", "Its actions by how they went", labels=["test", "action", "outcome"]
    )
    times = GaugeMetricFamily(
        "calico_connectivity_rtt_seconds", "Round-trip times of its pings", labels=["test", "client", "server"]
    )
    if run is not None and run.ended_at is not None:
        counts = Counter((one.test, one.action, one.outcome.value) for pair in run.pairs for one in pair.results)
        passed.add_metric([], int(run.outcome is Outcome.PASSED))
        ended.add_metric([], run.ended_at)
        failures.add_metric([], sum(count for key, count in counts.items() if key[2] == Outcome.FAILED.value))
        for key, count in sorted(counts.items()):
            actions.add_metric(key, count)
        for labels, rtt_ms in _list_times(run):
            times.add_metric(labels, rtt_ms / 1000)
    yield from (passed, ended, failures, actions, times)


def _list_times(run: Run) -> Iterator[tuple[list[str], float]]:
    for pair in run.pairs:
        for one in pair.results:
            if one.action == "ping" and one.rtt_ms is not None:
                yield [one.test, pair.client, pair.server], one.rtt_ms
