"""Tracing: what took how long, as OpenTelemetry's spans, in a file of the operator's.

Decides what a span says: the type of a command, the template of a route, a status, a refusal's
code, how many posts shared a commit. Each stands by itself: what would tie them together would
follow a person through their day. Nothing is sent anywhere: promise 9 (docs/adr/0016). Lines are
OTLP in JSON, which a collector's `otlpjsonfile` receiver reads. Invariant: no name of a span and no
attribute holds a word, an id, an address, a name or a token; exceptions are not recorded.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, Status, StatusCode

from server.watching import Answer, Command, Commit, Span

#: Spans that wait to be written; beyond, the newest are dropped: nobody waits for a trace.
SPANS_WAITING_MAX: Final = 4_096
#: Spans of one line, and how often lines are written.
SPANS_PER_LINE_MAX: Final = 512
WRITTEN_EVERY_MS: Final = 1_000
#: No trace goes on from another: a client that named one would be recognised by it.
_ALONE: Final = Context()

_Value = str | int


class Tracing:
    """Writes what it is told as spans. Raises OSError when the file cannot be written."""

    def __init__(self, path: Path, bytes_max: int) -> None:
        # Everything is said here: what is left out, OpenTelemetry asks the environment for.
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,
            resource=Resource({"service.name": "cloison"}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(
            BatchSpanProcessor(
                FileExporter(path, bytes_max),
                max_queue_size=SPANS_WAITING_MAX,
                schedule_delay_millis=WRITTEN_EVERY_MS,
                max_export_batch_size=SPANS_PER_LINE_MAX,
                export_timeout_millis=WRITTEN_EVERY_MS,
            )
        )
        self._tracer = self._provider.get_tracer("cloison")

    def answered(self, answer: Answer) -> None:
        """Trace an HTTP answer."""
        said: dict[str, _Value] = {"http.request.method": answer.method}
        if answer.route:
            said["http.route"] = answer.route
        if answer.status:
            said["http.response.status_code"] = answer.status
        name = f"{answer.method} {answer.route}".rstrip()
        broken = answer.status >= 500 or not answer.status
        self._span(name, SpanKind.SERVER, answer.span, said, answer.refusal, broken=broken)

    def committed(self, commit: Commit) -> None:
        """Trace a write."""
        said = {"cloison.posts": commit.posts} if commit.posts else {}
        broken = commit.outcome == "failed"
        self._span("commit", SpanKind.INTERNAL, commit.span, said, commit.outcome, broken=broken)

    def commanded(self, command: Command) -> None:
        """Trace a command."""
        broken = command.outcome == "failed"
        self._span(command.kind, SpanKind.SERVER, command.span, {}, command.outcome, broken=broken)

    def close(self) -> None:
        """Write what waits."""
        self._provider.shutdown()

    def _span(
        self,
        name: str,
        kind: SpanKind,
        span: Span,
        said: Mapping[str, _Value],
        outcome: str,
        *,
        broken: bool,
    ) -> None:
        attributes = {**said, "error.type": outcome} if outcome else said
        drawn = self._tracer.start_span(
            name, _ALONE, kind, attributes, start_time=span.began, record_exception=False
        )
        if broken:
            drawn.set_status(Status(StatusCode.ERROR))
        drawn.end(span.ended)


class FileExporter(SpanExporter):
    """Appends batches to a file, a line each; a full file makes room for the next.

    Two files are kept at most: the present one, and the one before, which ends in ``.1``.
    """

    def __init__(self, path: Path, bytes_max: int) -> None:
        self._path = path
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        os.close(self._opened())

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write a line. What cannot be written is lost, and nothing else."""
        line = json.dumps(_request(spans), separators=(",", ":")).encode() + b"\n"
        with self._lock:
            file = self._opened()
            try:
                if os.fstat(file).st_size + len(line) > self._bytes_max:
                    self._path.replace(self._path.with_name(f"{self._path.name}.1"))
                    os.close(file)
                    file = self._opened()
                os.write(file, line)
            finally:
                os.close(file)
        return SpanExportResult.SUCCESS

    def _opened(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def _request(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    """Return spans as OTLP's ExportTraceServiceRequest, in its mapping to JSON."""
    scope = {"scope": {"name": "cloison"}, "spans": [_drawn(span) for span in spans]}
    resource = {"attributes": _attributes(spans[0].resource.attributes)}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]}


def _drawn(span: ReadableSpan) -> dict[str, Any]:
    context = span.get_span_context()
    assert context is not None
    return {
        "traceId": f"{context.trace_id:032x}",
        "spanId": f"{context.span_id:016x}",
        "name": span.name,
        "kind": span.kind.value + 1,  # OTLP begins with «unspecified»
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes or {}),
        "status": {"code": span.status.status_code.value},
    }


def _attributes(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
        }
        for key, value in said.items()
    ]
