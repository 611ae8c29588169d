"""What a log line holds, and what it never does."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog

from actors.runtime.log import Format, configure_library, configure_service


@pytest.fixture
def _configured_again() -> Iterator[None]:
    handlers = logging.getLogger().handlers
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers = handlers
    logging.captureWarnings(False)


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("_configured_again")
@pytest.mark.parametrize("form", ["console", "json", "auto"])
def test_a_traceback_tells_where_it_broke_and_nothing_that_a_variable_held(form: Format) -> None:
    out = Terminal()
    lines = configure_service("info", form, out)

    def handle(body: str) -> None:
        raise ValueError("broken")

    try:
        handle("canary-" + str(40 + 2))
    except ValueError:
        structlog.get_logger(actor="/").exception("handler crashed")
    lines.flush()
    assert "handler crashed" in out.getvalue() and "in handle" in out.getvalue()
    assert "canary-42" not in out.getvalue()


@pytest.mark.usefixtures("_configured_again")
def test_in_a_host_that_shows_no_extra_fields_the_line_itself_says_who_and_what(caplog: pytest.LogCaptureFixture) -> None:
    structlog.reset_defaults()
    configure_library()
    structlog.get_logger(actor="/counter").warning("exited", how="crashed", kind=None, traceback="Traceback\n  in receive\n")
    [line] = caplog.records
    assert line.getMessage() == "exited actor=/counter how=crashed\nTraceback\n  in receive"
    assert vars(line)["actor"] == "/counter", "hosts that do show them have them as before"
