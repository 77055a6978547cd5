"""What happened is what operators read, and nothing in it names anybody."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.parser import text_string_to_metric_families

from quotasvc.domain.outcome import Committed, Denial, DenialReason, Denied
from quotasvc.telemetry import (
    BOUNDS_S,
    HOLDS_LIVE,
    METRICS,
    STORE_LOSSES,
    SWEEPER_LAG,
    Kind,
    Metric,
    Telemetry,
)
from tests.tidy.sources import ROOT, text_of
from tests.unit.test_render import ALLOWED

RESERVE = "quotasvc.v1.DecisionService/CheckAndReserve"
NOW_NS = 1_793_602_800_000_000_000
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

COMMITTED = Committed(
    legs=(),
    actual_nanos=7,
    written_off_nanos=7,
    late=False,
    attributes_unmatched=False,
    limits=(),
    replayed=False,
    seq=1,
)


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry(clock_ns=lambda: NOW_NS)
    yield telemetry
    telemetry.close()


def samples(telemetry: Telemetry) -> dict[tuple[str, frozenset[str]], float]:
    """Every figure of a scrape by its name and its labels' values; empty labels left out."""
    return {
        (sample.name, frozenset(value for value in sample.labels.values() if value)): sample.value
        for family in text_string_to_metric_families(telemetry.exposition().decode())
        for sample in family.samples
    }


def test_a_call_is_counted_in_the_bucket_of_its_duration(telemetry: Telemetry) -> None:
    for seconds in (0.00005, 0.0001, 0.003, 99.0):
        telemetry.rpc(RESERVE, "OK", seconds)
    telemetry.rpc(RESERVE, "UNAVAILABLE", 2.0)
    shown = samples(telemetry)
    name, labels = "rpc_server_call_duration_seconds", frozenset({"grpc", RESERVE, "OK"})
    assert shown[f"{name}_bucket", labels | {"0.0001"}] == 2
    assert shown[f"{name}_bucket", labels | {"0.0025"}] == 2
    assert shown[f"{name}_bucket", labels | {"0.005"}] == 3
    assert shown[f"{name}_bucket", labels | {"+Inf"}] == 4
    assert shown[f"{name}_count", labels] == 4
    assert shown[f"{name}_sum", labels] == pytest.approx(99.00315)
    assert shown[f"{name}_count", frozenset({"grpc", RESERVE, "UNAVAILABLE"})] == 1


def test_a_script_is_counted(telemetry: Telemetry) -> None:
    telemetry.script("decision/reserve", 0.0003)
    shown = samples(telemetry)
    labels = frozenset({"decision/reserve"})
    assert shown["quotasvc_store_call_duration_seconds_count", labels] == 1


def test_decisions_are_counted_by_outcome_payer_and_reason(telemetry: Telemetry) -> None:
    denied = Denied(denial=Denial(reason=DenialReason.WINDOW_EXHAUSTED, message="no"))
    for answer in (
        ALLOWED,
        ALLOWED,
        replace(ALLOWED, replayed=True),
        replace(ALLOWED, legs=()),
        denied,
    ):
        telemetry.decision(answer)
    shown = samples(telemetry)
    name = "quotasvc_decisions_total"
    assert shown[name, frozenset({"allow", "PLAN"})] == 2
    assert shown[name, frozenset({"replay", "PLAN"})] == 1
    assert shown[name, frozenset({"allow"})] == 1
    assert shown[name, frozenset({"deny", "WINDOW_EXHAUSTED"})] == 1


def test_a_write_off_counts_once(telemetry: Telemetry) -> None:
    telemetry.commit(COMMITTED)
    telemetry.commit(replace(COMMITTED, replayed=True))
    assert samples(telemetry)["quotasvc_written_off_nanos_total", frozenset()] == 7


def test_what_others_know_is_read_at_each_scrape(telemetry: Telemetry) -> None:
    holds = [3]
    telemetry.observe(HOLDS_LIVE, lambda: len(holds))
    telemetry.observe(SWEEPER_LAG, lambda: 1.5)
    telemetry.observe(STORE_LOSSES, lambda: 2)
    holds.append(4)
    shown = samples(telemetry)
    assert shown["quotasvc_holds_live", frozenset()] == 2
    assert shown["quotasvc_sweeper_lag_seconds", frozenset()] == 1.5
    assert shown["quotasvc_store_connection_losses_total", frozenset()] == 2


def test_two_services_in_one_process_do_not_mix(telemetry: Telemetry) -> None:
    other = Telemetry(clock_ns=lambda: NOW_NS)
    other.script("decision/commit", 1.0)
    assert b"decision/commit" not in telemetry.exposition()
    other.close()


def test_a_scrape_shows_no_metric_that_is_not_in_the_table(telemetry: Telemetry) -> None:
    telemetry.rpc(RESERVE, "OK", 0.1)
    telemetry.script("decision/reserve", 0.1)
    telemetry.decision(ALLOWED)
    for metric in METRICS:
        if metric.kind is not Kind.DURATIONS and not metric.labels:
            telemetry.observe(metric, lambda: 1)
    families = text_string_to_metric_families(telemetry.exposition().decode())
    assert {family.name for family in families} == {_prometheus_name(m) for m in METRICS}


def _prometheus_name(metric: Metric) -> str:
    name = metric.name.replace(".", "_")
    return f"{name}_seconds" if metric.unit == "s" else name


def test_the_docs_list_every_metric_as_it_is() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| (.+) \|$", text_of(ROOT / "docs/telemetry.md"), re.M)
    assert dict(rows) == {
        metric.name: " | ".join(
            (
                metric.kind.name.lower(),
                metric.unit,
                " ".join(f"`{label}`" for label in metric.labels),
                metric.description,
            )
        ).replace(" |  | ", " | | ")
        for metric in METRICS
    }


def test_buckets_rise() -> None:
    assert list(BOUNDS_S) == sorted(set(BOUNDS_S))


# Traces.


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(spans: InMemorySpanExporter) -> Iterator[Telemetry]:
    telemetry = Telemetry(clock_ns=lambda: NOW_NS, span_processor=SimpleSpanProcessor(spans))
    yield telemetry
    telemetry.close()


def finished(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def test_a_script_is_a_child_of_its_call_and_the_call_of_its_caller(
    tracing: Telemetry, spans: InMemorySpanExporter
) -> None:
    with tracing.traced(RESERVE, PARENT):
        tracing.script("decision/reserve", 0.25)
        tracing.rpc(RESERVE, "OK", 0.5)
    call, script = finished(spans)[RESERVE], finished(spans)["decision/reserve"]
    assert call.parent is not None
    assert call.context is not None
    assert script.parent is not None
    assert f"{call.parent.span_id:x}" == "b7ad6b7169203331"
    assert f"{call.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert script.parent.span_id == call.context.span_id
    assert (script.start_time, script.end_time) == (NOW_NS - 250_000_000, NOW_NS)
    assert call.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": RESERVE,
        "rpc.response.status_code": "OK",
    }


@pytest.mark.parametrize(("code", "is_ours"), [("UNAVAILABLE", True), ("NOT_FOUND", False)])
def test_only_our_own_failures_are_errors(
    tracing: Telemetry, spans: InMemorySpanExporter, *, code: str, is_ours: bool
) -> None:
    with tracing.traced(RESERVE, ""):
        tracing.rpc(RESERVE, code, 0.5)
    assert finished(spans)[RESERVE].parent is None
    assert (finished(spans)[RESERVE].status.status_code.name == "ERROR") is is_ours


def test_without_a_span_processor_nothing_is_traced(telemetry: Telemetry) -> None:
    assert not telemetry.is_tracing
    with telemetry.traced(RESERVE, PARENT) as span:
        assert span is None
