"""A provider that does what it is told: see `provider.py`; as a process, `python -m undying.testing.fake_provider --help`."""

from __future__ import annotations

from undying.testing.fake_provider.fault import Fault, parse
from undying.testing.fake_provider.faults import FAULTS
from undying.testing.fake_provider.payloads import Answer, ToolCall
from undying.testing.fake_provider.provider import ANSWER, FakeProvider

__all__ = ["ANSWER", "FAULTS", "Answer", "FakeProvider", "Fault", "ToolCall", "parse"]
