"""What most tests of this folder are run with: both ways for a message to cross a mailbox."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from actors.runtime.system import Wire
from tests.actors.runtime.pipes import Pipes


@pytest.fixture(params=["always", "edge"])
def wire(request: pytest.FixtureRequest) -> Wire:
    return cast(Wire, request.param)


@pytest.fixture
def pipes(tmp_path: Path) -> Pipes:
    return Pipes(tmp_path)
