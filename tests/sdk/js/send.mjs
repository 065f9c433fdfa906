// Sends the same logs, spans and metrics to two receivers with the official SDK.
//
// usage: node send.mjs DIRECT THROUGH
//
// DIRECT gets protobuf, THROUGH gets OTLP/JSON: two encoders of the SDK over the same batch, so what arrives downstream
// of THROUGH must be what DIRECT got. Exits with 1 when either receiver did not take a batch.

import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, createTraceState, trace } from '@opentelemetry/api';
import { OTLPLogExporter as JsonLogs } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoLogs } from '@opentelemetry/exporter-logs-otlp-proto';
import { OTLPMetricExporter as JsonMetrics } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtoMetrics } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as JsonSpans } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtoSpans } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import { AggregationTemporality, AggregationType, MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { BasicTracerProvider, BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';

const [direct, through] = process.argv.slice(2);
const SCHEMA = 'https://opentelemetry.io/schemas/1.37.0';
const TIME = [1792000000, 123456789];
const VALUES = {
  string: 'grün \u{1f512} "quoted"\n\t\u2028', empty: '', bool: true, int: -9007199254740991, double: 0.1,
  strings: ['a', '', 'c'], bools: [true, false], ints: [1, -2], doubles: [1.5, -0.25, 1e-300],
};
const FAR = {
  traceId: '800000000000000000000000000000ff', spanId: '80000000000000ff', isRemote: true,
  traceFlags: TraceFlags.SAMPLED, traceState: createTraceState('vendor=far,other=1'),
};
const CONTEXT = trace.setSpanContext(ROOT_CONTEXT, FAR);
const failed = [];

// An exporter that hands every batch to both.
class Both {
  constructor(both) {
    this.both = both;
  }
  export(batch, done) {
    Promise.all(this.both.map((exporter) => new Promise((resolve) => exporter.export(batch, resolve)))).then((results) => {
      failed.push(...results.filter((result) => result.code !== 0));
      done({ code: 0 });
    });
  }
  forceFlush() {
    return Promise.all(this.both.map((exporter) => exporter.forceFlush()));
  }
  shutdown() {
    return Promise.all(this.both.map((exporter) => exporter.shutdown()));
  }
  selectAggregationTemporality() {
    return AggregationTemporality.CUMULATIVE;
  }
}

const both = (Proto, Json, path) =>
  new Both([new Proto({ url: `${direct}/v1/${path}` }), new Json({ url: `${through}/v1/${path}` })]);

async function sendLogs(resource) {
  const processors = [new BatchLogRecordProcessor({ exporter: both(ProtoLogs, JsonLogs, 'logs') })];
  const provider = new LoggerProvider({ resource, processors, logRecordLimits: { attributeCountLimit: 12 } });
  const logger = provider.getLogger('js.logs', '1.2.3', { schemaUrl: SCHEMA });
  const nested = { deep: { list: [1, 'two', 3.5, null, { k: new Uint8Array([0, 255]) }] }, big: 9007199254740991, none: null };
  const many = Object.fromEntries(Array.from({ length: 8 }, (_, index) => [`more.${index}`, index]));
  logger.emit({
    timestamp: TIME, observedTimestamp: TIME, severityNumber: 18, severityText: 'ERROR2', eventName: 'js.event',
    body: nested, attributes: { ...VALUES, map: nested, bytes: new Uint8Array([1, 2]), ...many }, context: CONTEXT,
  });
  for (const body of ['text', '', true, 7, 1.5, [1, 'two', null], new Uint8Array([3, 4])]) {
    logger.emit({ timestamp: TIME, observedTimestamp: TIME, body });
  }
  provider.getLogger('js.logs.other').emit({ observedTimestamp: TIME, body: 'other scope' });
  await provider.shutdown();
}

async function sendSpans(resource) {
  const provider = new BasicTracerProvider({
    resource,
    spanLimits: { attributeCountLimit: 11, eventCountLimit: 2, linkCountLimit: 1 },
    spanProcessors: [new BatchSpanProcessor(both(ProtoSpans, JsonSpans, 'traces'))],
  });
  const tracer = provider.getTracer('js.spans', '1.2.3', { schemaUrl: SCHEMA });
  const links = [{ context: FAR, attributes: { dropped: 0 } }, { context: FAR, attributes: { 'link.kind': 'follows' } }];
  const parent = tracer.startSpan('parent', { kind: SpanKind.SERVER, attributes: VALUES, links, startTime: TIME }, CONTEXT);
  for (let index = 0; index < 4; index += 1) {
    parent.setAttribute(`more.${index}`, index);
  }
  const child = tracer.startSpan('child', { kind: SpanKind.CLIENT, startTime: TIME }, trace.setSpan(ROOT_CONTEXT, parent));
  for (let index = 0; index < 4; index += 1) {
    child.addEvent(`event ${index}`, { first: index, second: [1.5], third: true }, TIME);
  }
  child.setStatus({ code: SpanStatusCode.ERROR, message: 'it broke' });
  child.end([TIME[0] + 1, 5]);
  parent.setStatus({ code: SpanStatusCode.OK });
  parent.end([TIME[0] + 2, 0]);
  await provider.shutdown();
}

async function sendMetrics(resource) {
  const exporter = both(ProtoMetrics, JsonMetrics, 'metrics');
  const provider = new MeterProvider({
    resource,
    readers: [new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3600000 })],
    views: [{ instrumentName: 'exponential', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }],
  });
  const meter = provider.getMeter('js.metrics', '1.2.3', { schemaUrl: SCHEMA });
  const attributes = { tool: 'bash', ok: true, tries: 3, ratio: 0.5, list: ['a', 'b'] };
  meter.createCounter('counter', { unit: '1', description: 'how often' }).add(9007199254740991, attributes);
  meter.createCounter('counter.double').add(0.75, attributes);
  meter.createUpDownCounter('up.down').add(-5, { other: 'x' });
  const explicit = meter.createHistogram('explicit', { unit: 'ms', advice: { explicitBucketBoundaries: [1, 10, 100] } });
  const exponential = meter.createHistogram('exponential', { unit: 'ms', description: 'how long' });
  for (const value of [0, 0.001, 3, 7.5, 42, 42000]) {
    explicit.record(value, attributes);
    exponential.record(value, attributes);
  }
  meter.createGauge('gauge', { unit: 'By' }).record(-1.25, attributes);
  meter.createObservableGauge('observed').addCallback((result) => {
    result.observe(7, { place: 1 });
    result.observe(8.5, { place: 2 });
  });
  await provider.forceFlush();
  await provider.shutdown();
}

const resource = resourceFromAttributes({ 'service.name': 'js-agent', ...VALUES }, { schemaUrl: SCHEMA });
await sendLogs(resource);
await sendSpans(resource);
await sendMetrics(resource);
if (failed.length > 0) {
  console.error('not taken:', failed);
  process.exit(1);
}
