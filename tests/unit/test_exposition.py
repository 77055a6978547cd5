"""Metrics of several processes are shown as those of one service."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from quotasvc.exposition import merge

OWN = b"""# HELP calls_total Calls
# TYPE calls_total counter
calls_total 1.0
# HELP holds Holds
# TYPE holds gauge
holds 7.0
"""
FIRST = b"""# HELP calls_total Calls
# TYPE calls_total counter
calls_total 2.0
# HELP seconds Time
# TYPE seconds histogram
seconds_bucket{method="a b",le="0.1"} 3.0
"""
SECOND = FIRST.replace(b"2.0", b"4.0")


def test_each_process_is_told_by_its_label_and_metrics_stay_together() -> None:
    # given a service of two workers
    text = merge(OWN, {"1": FIRST, "2": SECOND}).decode()
    # then each metric stands once, with the samples of all
    assert [line for line in text.splitlines() if line.startswith("# TYPE")] == [
        "# TYPE calls_total counter",
        "# TYPE holds gauge",
        "# TYPE seconds histogram",
    ]
    families = {family.name: family for family in text_string_to_metric_families(text)}
    calls = [(sample.labels, sample.value) for sample in families["calls"].samples]
    assert calls == [({}, 1.0), ({"worker": "1"}, 2.0), ({"worker": "2"}, 4.0)]
    [first, second] = families["seconds"].samples
    assert first.labels == {"worker": "1", "method": "a b", "le": "0.1"}
    assert second.labels == {"worker": "2", "method": "a b", "le": "0.1"}


def test_without_workers_nothing_changes() -> None:
    assert merge(OWN, {}) == OWN


def test_a_metric_that_nobody_has_counted_yet_keeps_its_head() -> None:
    head = b"# HELP calls_total Calls\n# TYPE calls_total counter\n"
    assert merge(head, {"1": head}) == head
