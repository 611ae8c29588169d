"""Structured logs: JSON lines (console form on a terminal) with time, level, actor and trace. Bodies are never logged.

As a service, lines are gathered and written together: an unbuffered line per request costs a proxy a sixth of its throughput. A line
of level error, the end of the process and a fifth of a second each write what is there. As a library nothing is configured but, where the
host has not done so itself, that structlog hands its lines to the standard `logging`.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import threading
from collections.abc import MutableMapping
from typing import IO, Any, Literal

import orjson
import structlog

from actors.runtime.system import TRACE

Format = Literal["auto", "json", "console"]

FLUSH_AFTER = 0.2
FLUSH_LINES = 256
MAX_LINE = 8 * 1024

_SAID = ("event", "exc_info", "stack_info")  # what the standard `logging` says by itself
_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class BufferedLines:
    """Gathers lines and writes them together. Any thread may write; the timer runs on whatever loop the first line of a batch came from."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self._due = False
        atexit.register(self.flush)

    def write(self, line: str, *, at_once: bool) -> None:
        """Takes one line without its end."""
        with self._lock:
            self._lines.append(line)
            full = at_once or len(self._lines) >= FLUSH_LINES
            wait = not full and not self._due
            self._due = self._due or wait
        if not full and not wait:
            return
        loop = None if full else asyncio._get_running_loop()  # a call into the kernel, in CPython 3.11: not for every line
        if loop is None:
            self.flush()
        else:
            loop.call_later(FLUSH_AFTER, self.flush)

    def flush(self) -> None:
        """Writes what is there."""
        with self._lock:
            lines, self._lines, self._due = self._lines, [], False
            if lines and not self._stream.closed:
                self._stream.write("\n".join(lines) + "\n")
                self._stream.flush()


class _Sink:
    """What structlog calls last: one method per level."""

    def __init__(self, lines: BufferedLines) -> None:
        self._lines = lines

    def _soon(self, line: str) -> None:
        self._lines.write(line, at_once=False)

    def _now(self, line: str) -> None:
        self._lines.write(line, at_once=True)

    debug = info = warning = msg = log = _soon
    error = critical = exception = fatal = failure = _now


class _Bridge(logging.Handler):
    """What libraries log goes the same way."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            structlog.get_logger(library=record.name).log(min(record.levelno, 40), record.getMessage(), exc_info=record.exc_info or None)
        except (TypeError, ValueError):  # a library's own mistake in a log call must not end what it was doing
            self.handleError(record)


def configure_service(level: str, form: Format, stream: IO[str]) -> BufferedLines:
    """For `run.py`: this process's logs are ours. Returns what holds the lines, to be flushed at the end."""
    lines = BufferedLines(stream)
    console = form == "console" or (form == "auto" and stream.isatty())
    renderer: Any = _for_people(stream) if console else _as_json
    tracebacks: list[Any] = [] if console else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True), _add_trace, *tracebacks, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_NUMBERS[level]),
        logger_factory=lambda *_: _Sink(lines),
        cache_logger_on_first_use=True,
    )
    root = logging.getLogger()
    root.handlers = [_Bridge(logging.WARNING)]
    logging.captureWarnings(True)
    return lines


def configure_library() -> None:
    """For a host app that has not configured structlog: lines go to the standard `logging`, where the host decides."""
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, _add_trace, _in_words, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=lambda *_: logging.getLogger("undying"),
        cache_logger_on_first_use=True,
    )


def _add_trace(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if "trace" not in event and (trace := TRACE.get()):
        event["trace"] = trace
    return event


def _in_words(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The fields in the line itself: most hosts' formats show no `extra`, and "exited" alone says nothing."""
    told = {name: str(value) for name, value in event.items() if name not in _SAID and value is not None}
    short = " ".join(f"{name}={value}" for name, value in told.items() if "\n" not in value)
    event["event"] = "\n".join([f"{event['event']} {short}".rstrip(), *(value.rstrip() for value in told.values() if "\n" in value)])
    return event


def _for_people(stream: IO[str]) -> structlog.dev.ConsoleRenderer:
    """structlog would have `rich`, where that is installed, print the local variables of every frame: bodies and keys among them."""
    return structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)


def _as_json(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    line = orjson.dumps(event, default=str)
    if len(line) > MAX_LINE:  # a log is no place for large things; what was cut is counted
        line = orjson.dumps({**{key: _cut(value) for key, value in event.items()}, "cut_from": len(line)}, default=str)
    return line.decode()


def _cut(value: Any) -> Any:
    return value if not isinstance(value, str) or len(value) <= MAX_LINE // 8 else value[: MAX_LINE // 8] + "..."


