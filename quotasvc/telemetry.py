"""What operators see: metrics of every call, script and decision, and traces where asked for.

A histogram of the OpenTelemetry SDK costs 7 µs per record, and a decision would make three
records; so durations are counted here, in plain integers by bucket (0.2 µs), and handed to the
SDK's Prometheus reader when somebody scrapes. All other metrics are plain numbers behind the
SDK's observable instruments. Labels are methods, scripts, codes and reasons: never an id, never
a key. Knows the domain's answers; does not know what stands above it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from enum import Enum, auto

from opentelemetry import trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.metrics.export import Metric as CollectedMetric
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, generate_latest

from quotasvc.domain.outcome import Allowed, Committed, DenialReason, Denied
from quotasvc.domain.reservation import Payer

SCOPE = "quotasvc"

BOUNDS_S = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01),
    *(0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
"""Upper bounds of the buckets: a script takes 0.1 ms, the longest call 2 s."""


class Kind(Enum):
    """What a metric's number does."""

    DURATIONS = auto()  # a histogram
    COUNT = auto()  # only grows
    LEVEL = auto()  # goes up and down


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric. docs/telemetry.md says the same, and a test compares the two."""

    name: str
    kind: Kind
    unit: str
    description: str
    labels: tuple[str, ...] = ()


RPCS = Metric(
    name="rpc.server.call.duration",
    kind=Kind.DURATIONS,
    unit="s",
    description="Time to serve a call, from its bytes to the answer's",
    labels=("rpc.system.name", "rpc.method", "rpc.response.status_code"),
)
SCRIPTS = Metric(
    name="quotasvc.store.call.duration",
    kind=Kind.DURATIONS,
    unit="s",
    description="Time from sending a script to the store until its reply",
    labels=("quotasvc.script",),
)
DECISIONS = Metric(
    name="quotasvc.decisions",
    kind=Kind.COUNT,
    unit="{decision}",
    description="Decisions: allow, deny or replay; the first leg's payer; the denial's reason",
    labels=("decision", "payer", "reason"),
)
WRITTEN_OFF = Metric(
    name="quotasvc.written_off.nanos",
    kind=Kind.COUNT,
    unit="{nano}",
    description="Nanos of committed use that no source could pay",
)
HOLDS_LIVE = Metric(
    name="quotasvc.holds.live",
    kind=Kind.LEVEL,
    unit="{hold}",
    description="Reservations that hold something now",
)
SWEEPER_LAG = Metric(
    name="quotasvc.sweeper.lag",
    kind=Kind.LEVEL,
    unit="s",
    description="How long ago all that was due had last been given back; some 1 s if all is well",
)
STORE_LOSSES = Metric(
    name="quotasvc.store.connection.losses",
    kind=Kind.COUNT,
    unit="{loss}",
    description="Connections to the store that ended without being asked to",
)
STORE_NONCE_MISMATCHES = Metric(
    name="quotasvc.store.nonce.mismatches",
    kind=Kind.COUNT,
    unit="{reply}",
    description="Replies that belonged to another call; each one cost its connection",
)

METRICS = (
    RPCS,
    SCRIPTS,
    DECISIONS,
    WRITTEN_OFF,
    HOLDS_LIVE,
    SWEEPER_LAG,
    STORE_LOSSES,
    STORE_NONCE_MISMATCHES,
)
"""Every metric there is."""

_FAILURES = frozenset(
    {"DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "UNIMPLEMENTED"}
)
"""Codes that make a span an error; the others are the caller's."""

_PROPAGATOR = TraceContextTextMapPropagator()
_UNTRACED = nullcontext()


class Telemetry:
    """Takes what happened, cheaply, and shows it on request.

    Without a span processor nothing is traced. `clock_ns` is the time of day.
    """

    def __init__(
        self, *, clock_ns: Callable[[], int], span_processor: SpanProcessor | None = None
    ) -> None:
        self._clock_ns = clock_ns
        self._started_ns = clock_ns()
        self._rpcs: dict[tuple[str, str], _Durations] = {}
        self._scripts: dict[str, _Durations] = {}
        self._decisions: Counter[tuple[str, Payer | None, DenialReason | None]] = Counter()
        self._written_off_nanos = 0
        self._registry = CollectorRegistry()
        resource = Resource({SERVICE_NAME: SCOPE})
        self._meters = MeterProvider(
            [_Reader(self._registry, self._durations)], resource, shutdown_on_exit=False
        )
        self._observe(DECISIONS, self._count_decisions)
        self.observe(WRITTEN_OFF, lambda: self._written_off_nanos)
        self._traces, self._tracer = None, None
        if span_processor is not None:
            self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
            self._traces.add_span_processor(span_processor)
            self._tracer = self._traces.get_tracer(SCOPE)

    @property
    def is_tracing(self) -> bool:
        """Whether a caller's trace context is worth reading."""
        return self._tracer is not None

    def traced(self, method: str, traceparent: str) -> AbstractContextManager[object]:
        """The span of one call, as a child of the caller's; scripts inside become its children."""
        if self._tracer is None:
            return _UNTRACED
        return self._tracer.start_as_current_span(
            method,
            context=_PROPAGATOR.extract({"traceparent": traceparent}),
            kind=trace.SpanKind.SERVER,
            attributes={"rpc.system.name": "grpc", "rpc.method": method},
        )

    def rpc(self, method: str, status: str, seconds: float) -> None:
        """A call has been answered; called within its `traced`."""
        series = self._rpcs.get((method, status))
        if series is None:
            series = self._rpcs[method, status] = _Durations()
        series.add(seconds)
        if self._tracer is not None:
            span = trace.get_current_span()
            span.set_attribute("rpc.response.status_code", status)
            if status in _FAILURES:
                span.set_status(trace.StatusCode.ERROR)

    def script(self, name: str, seconds: float) -> None:
        """A script has been run, just now."""
        series = self._scripts.get(name)
        if series is None:
            series = self._scripts[name] = _Durations()
        series.add(seconds)
        if self._tracer is not None:
            ended_ns = self._clock_ns()
            span = self._tracer.start_span(
                name, kind=trace.SpanKind.CLIENT, start_time=ended_ns - round(seconds * 1e9)
            )
            span.end(ended_ns)

    def decision(self, answer: Allowed | Denied) -> None:
        """A request has been decided."""
        if isinstance(answer, Denied):
            self._decisions["deny", None, answer.denial.reason] += 1
            return
        payer = answer.legs[0].payer if answer.legs else None
        self._decisions["replay" if answer.replayed else "allow", payer, None] += 1

    def commit(self, answer: Committed) -> None:
        """A reservation has been settled."""
        if not answer.replayed:
            self._written_off_nanos += answer.written_off_nanos

    def observe(self, metric: Metric, read: Callable[[], int | float]) -> None:
        """Makes `read` the source of a metric; it is called at each scrape and must be quick."""
        self._observe(metric, lambda: [Observation(read())])

    def exposition(self) -> bytes:
        """Everything counted so far, in the text format of Prometheus."""
        return generate_latest(self._registry)

    def close(self) -> None:
        """Hands over the last spans."""
        self._meters.shutdown()
        if self._traces is not None:
            self._traces.shutdown()

    def _observe(self, metric: Metric, read: Callable[[], Iterable[Observation]]) -> None:
        meter: Meter = self._meters.get_meter(SCOPE)
        create = {
            Kind.COUNT: meter.create_observable_counter,
            Kind.LEVEL: meter.create_observable_gauge,
        }[metric.kind]

        def callback(_: CallbackOptions) -> Iterable[Observation]:
            return read()

        create(metric.name, [callback], unit=metric.unit, description=metric.description)

    def _count_decisions(self) -> list[Observation]:
        return [
            Observation(
                count,
                {
                    "decision": decision,
                    "payer": payer.name if payer else "",
                    "reason": reason.name if reason else "",
                },
            )
            for (decision, payer, reason), count in self._decisions.items()
        ]

    def _durations(self) -> list[CollectedMetric]:
        rpcs = [(("grpc", *labels), series) for labels, series in self._rpcs.items()]
        scripts = [((name,), series) for name, series in self._scripts.items()]
        return [self._histogram(RPCS, rpcs), self._histogram(SCRIPTS, scripts)]

    def _histogram(
        self, metric: Metric, series: Sequence[tuple[tuple[str, ...], _Durations]]
    ) -> CollectedMetric:
        now_ns = self._clock_ns()
        points = [
            durations.point(dict(zip(metric.labels, values, strict=True)), self._started_ns, now_ns)
            for values, durations in series
        ]
        return CollectedMetric(
            name=metric.name,
            description=metric.description,
            unit=metric.unit,
            data=Histogram(points, AggregationTemporality.CUMULATIVE),
        )


class _Durations:
    """How many durations fell into each bucket, since the start."""

    __slots__ = ("_counts", "_sum_s")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS_S) + 1)
        self._sum_s = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(BOUNDS_S, seconds)] += 1
        self._sum_s += seconds

    def point(self, labels: dict[str, str], since_ns: int, now_ns: int) -> HistogramDataPoint:
        return HistogramDataPoint(
            attributes=labels,
            start_time_unix_nano=since_ns,
            time_unix_nano=now_ns,
            count=sum(self._counts),
            sum=self._sum_s,
            bucket_counts=tuple(self._counts),
            explicit_bounds=BOUNDS_S,
            # Of all time they say nothing, and Prometheus does not show them.
            min=0.0,
            max=0.0,
        )


class _Reader(PrometheusMetricReader):
    """Adds our own histograms to what the SDK has collected."""

    def __init__(
        self, registry: CollectorRegistry, collect: Callable[[], Sequence[CollectedMetric]]
    ) -> None:
        super().__init__(disable_target_info=True, scope_info_enabled=False, registry=registry)
        self._collect_ours = collect

    def _receive_metrics(
        self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object
    ) -> None:
        ours = ScopeMetrics(InstrumentationScope(SCOPE), self._collect_ours(), schema_url="")
        resource = ResourceMetrics(Resource.get_empty(), [ours], schema_url="")
        both = replace(metrics_data, resource_metrics=[*metrics_data.resource_metrics, resource])
        super()._receive_metrics(both, timeout_millis, **kwargs)
