"""Sends one log record with the official SDK's exporter, over TLS and with credentials, and prints what came of it.

usage: secure.py grpc|http ENDPOINT [--ca FILE] [--cert FILE --key FILE] [--header NAME=VALUE]...

ENDPOINT is a base address (https://localhost:PORT, unix:///path). Prints SUCCESS or FAILURE.
"""

import argparse
import logging
import sys

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource

RESULTS = []


class Telling(LogRecordExporter):
    """Hands on to an exporter and remembers its answers."""

    def __init__(self, inner):
        self.inner = inner

    def export(self, batch):
        result = self.inner.export(batch)
        RESULTS.append(result)
        return result

    def shutdown(self):
        self.inner.shutdown()

    def force_flush(self, timeout_millis=10_000):
        return True


def over_grpc(args, headers):
    import grpc
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter

    def content(path):
        if path is None:
            return None
        with open(path, "rb") as file:
            return file.read()

    secure = args.endpoint.startswith("https://")
    credentials = grpc.ssl_channel_credentials(content(args.ca), content(args.key), content(args.cert))
    return OTLPLogExporter(
        endpoint=args.endpoint,
        insecure=not secure,
        credentials=credentials if secure else None,
        headers=[(name.lower(), value) for name, value in headers],
        timeout=8,
        # Over a unix socket gRPC sends the path as the authority, which is none that HTTP/2 allows.
        channel_options=(("grpc.default_authority", "localhost"),) if args.endpoint.startswith("unix:") else (),
    )


def over_http(args, headers):
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    return OTLPLogExporter(
        endpoint=f"{args.endpoint}/v1/logs",
        certificate_file=args.ca,
        client_certificate_file=args.cert,
        client_key_file=args.key,
        headers=dict(headers),
        timeout=8,
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("protocol", choices=["grpc", "http"])
    parser.add_argument("endpoint")
    for name in ("--ca", "--cert", "--key"):
        parser.add_argument(name)
    parser.add_argument("--header", action="append", default=[])
    args = parser.parse_args()
    headers = [tuple(header.split("=", 1)) for header in args.header]
    logging.basicConfig(stream=sys.stderr)
    exporter = (over_grpc if args.protocol == "grpc" else over_http)(args, headers)
    provider = LoggerProvider(Resource({"service.name": "secure-agent"}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(Telling(exporter)))
    provider.get_logger("test").emit(
        LogRecord(timestamp=1_792_000_000_000_000_000, severity_number=SeverityNumber.INFO, body="sent by the SDK")
    )
    provider.shutdown()
    print("SUCCESS" if RESULTS == [LogRecordExportResult.SUCCESS] else "FAILURE")


main()
