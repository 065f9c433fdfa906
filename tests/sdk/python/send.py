"""Sends the same logs, spans and metrics to two receivers with the official SDK.

usage: send.py grpc|http DIRECT THROUGH

DIRECT and THROUGH are base addresses (http://127.0.0.1:PORT). Each signal has one SDK pipeline whose exporter hands
every batch to both receivers, so that what arrives at the one is what the SDK was told to send to the other. Exits
with 1 when either receiver did not take a batch.
"""

import logging
import os
import sys
import warnings

from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.metrics import Observation
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

TIME = 1_792_000_000_123_456_789
SCHEMA = "https://opentelemetry.io/schemas/1.37.0"
SCOPE = {"version": "1.2.3", "schema_url": SCHEMA, "attributes": {"scope.kind": "test", "scope.level": 3}}
VALUES = {
    "string": "grün \U0001f512 \"quoted\"\n\t\u2028",
    "empty": "",
    "bool": True,
    "int": -9_223_372_036_854_775_808,
    "double": 0.1,
    "double.whole": 2.0,
    "strings": ["a", "", "c"],
    "bools": [True, False],
    "ints": [1, -2, 9_007_199_254_740_993],
    "doubles": [1.5, -0.25, 1e300],
}
FAILED = []
# Read by the SDK for every record.
os.environ["OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT"] = "12"
# It warns about every attribute that it drops, which is what we are here for.
logging.disable(logging.WARNING)
warnings.simplefilter("ignore")


def exporters(protocol, signal, name, addresses):
    """The official exporter of a signal, for each address."""
    module = __import__(f"opentelemetry.exporter.otlp.proto.{protocol}.{signal}", fromlist=[name])
    make = getattr(module, name)
    if protocol == "grpc":
        return [make(endpoint=address, insecure=True) for address in addresses]
    path = {"OTLPLogExporter": "logs", "OTLPSpanExporter": "traces", "OTLPMetricExporter": "metrics"}[name]
    return [make(endpoint=f"{address}/v1/{path}") for address in addresses]


class Both:
    """Hands every batch to both exporters."""

    def __init__(self, both, success):
        self.both, self.success = both, success

    def export(self, batch, *args, **kwargs):
        for exporter in self.both:
            result = exporter.export(batch, *args, **kwargs)
            if result is not self.success:
                FAILED.append((exporter, result))
        return self.success

    def shutdown(self, *_args, **_kwargs):
        for exporter in self.both:
            exporter.shutdown()

    def force_flush(self, *_args, **_kwargs):
        return True


class BothLogs(Both, LogRecordExporter):
    """Logs to both."""


class BothSpans(Both, SpanExporter):
    """Spans to both."""


class BothMetrics(Both, MetricExporter):
    """Metrics to both."""

    def __init__(self, both, success):
        MetricExporter.__init__(self)
        Both.__init__(self, both, success)


def send_logs(resource, exporter):
    """Records with every kind of value, of several scopes, one in a span, one beyond its limit of attributes."""
    provider = LoggerProvider(resource=resource)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    logger = provider.get_logger("python.logs", **SCOPE)
    nested = {"deep": {"list": [1, "two", 3.5, None, {"k": b"\x00\xff"}]}, "bytes": b"\x01\x02", "none": None}
    span = SpanContext(0x0102030405060708090A0B0C0D0E0F10, 0x0102030405060708, False, TraceFlags(1), TraceState())
    context = trace.set_span_in_context(trace.NonRecordingSpan(span))
    logger.emit(LogRecord(
        timestamp=TIME, observed_timestamp=TIME + 1, context=context, severity_text="ERROR2",
        severity_number=SeverityNumber.ERROR2, body=nested, attributes={**VALUES, "map": nested},
        event_name="python.event",
    ))
    bodies = ["text", "", True, 7, 1.5, [1, "two", None], None]
    for offset, body in enumerate(bodies):
        logger.emit(LogRecord(timestamp=TIME + offset, observed_timestamp=TIME + 2, body=body))
    provider.get_logger("python.logs.other").emit(LogRecord(observed_timestamp=TIME, body="other scope"))
    many = {f"key.{number}": number for number in range(15)}
    logger.emit(LogRecord(observed_timestamp=TIME, body="beyond the limit", attributes=many))
    provider.shutdown()


def send_spans(resource, exporter):
    """A parent and a child with events, links, a status, and more of everything than the limits allow."""
    limits = SpanLimits(max_span_attributes=12, max_events=2, max_links=1, max_event_attributes=2, max_link_attributes=1)
    provider = TracerProvider(resource=resource, span_limits=limits)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer("python.spans", SCOPE["version"], schema_url=SCHEMA, attributes=SCOPE["attributes"])
    far = SpanContext(2**127 + 5, 2**63 + 5, True, TraceFlags(1), TraceState([("vendor", "far"), ("other", "1")]))
    links = [Link(far, {"dropped": 0}), Link(far, {"link.kind": "follows", "link.more": 2})]
    parent = tracer.start_span("parent", kind=SpanKind.SERVER, attributes=VALUES, links=links, start_time=TIME)
    for number in range(4):
        parent.set_attribute(f"more.{number}", number)
    context = trace.set_span_in_context(parent)
    child = tracer.start_span("child", context, kind=SpanKind.CLIENT, start_time=TIME + 1)
    for number in range(3):
        child.add_event(f"event {number}", {"first": number, "second": [1.5], "third": True}, timestamp=TIME + number)
    try:
        raise ValueError("it broke")
    except ValueError as error:
        child.record_exception(error, timestamp=TIME + 9)
    child.set_status(Status(StatusCode.ERROR, "it broke"))
    child.end(TIME + 10)
    remote = trace.set_span_in_context(trace.NonRecordingSpan(far))
    tracer.start_span("of a remote parent", remote, kind=SpanKind.CONSUMER, start_time=TIME).end(TIME + 3)
    parent.set_status(Status(StatusCode.OK))
    parent.end(TIME + 20)
    provider.shutdown()


def send_metrics(resource, exporter):
    """Every instrument, with exemplars, as histograms of both kinds."""
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    exponential = View(instrument_name="exponential", aggregation=ExponentialBucketHistogramAggregation(max_size=8))
    provider = MeterProvider(
        [reader], resource, exemplar_filter=AlwaysOnExemplarFilter(), views=[exponential, View(instrument_type=Histogram)]
    )
    meter = provider.get_meter("python.metrics", SCOPE["version"], SCHEMA, SCOPE["attributes"])
    span = SpanContext(0x0102030405060708090A0B0C0D0E0F10, 0x0102030405060708, False, TraceFlags(1), TraceState())
    context = trace.set_span_in_context(trace.NonRecordingSpan(span))
    attributes = {"tool": "bash", "ok": True, "tries": 3, "ratio": 0.5, "list": ["a", "b"]}
    meter.create_counter("counter", "1", "how often").add(2**53 + 1, attributes, context)
    meter.create_counter("counter.double").add(0.75, attributes, context)
    meter.create_up_down_counter("up.down").add(-5, {"other": "x"}, context)
    histogram = meter.create_histogram("explicit", "ms", explicit_bucket_boundaries_advisory=[1.0, 10.0, 100.0])
    exponential = meter.create_histogram("exponential", "ms", "how long")
    for value in [0, 0.001, 3, 7.5, 42, 42_000]:
        histogram.record(value, attributes, context)
        exponential.record(value, attributes, context)
    meter.create_gauge("gauge", "By").set(-1.25, attributes, context)
    meter.create_observable_gauge("observed", [lambda _: [Observation(7, {"place": 1}), Observation(8.5, {"place": 2})]])
    meter.create_observable_counter("observed.counter", [lambda _: [Observation(2**63 - 1)]])
    provider.force_flush()
    provider.shutdown()


def main():
    protocol, *addresses = sys.argv[1:]
    resource = Resource({"service.name": "python-agent", **VALUES}, SCHEMA)

    def both(signal, name):
        return exporters(protocol, signal, name, addresses)

    send_logs(resource, BothLogs(both("_log_exporter", "OTLPLogExporter"), LogRecordExportResult.SUCCESS))
    send_spans(resource, BothSpans(both("trace_exporter", "OTLPSpanExporter"), SpanExportResult.SUCCESS))
    send_metrics(resource, BothMetrics(both("metric_exporter", "OTLPMetricExporter"), MetricExportResult.SUCCESS))
    if FAILED:
        sys.exit(f"not taken: {FAILED}")


main()
