"""What most tests of this folder are run with: both ways for a message to cross a mailbox."""

from __future__ import annotations

from typing import cast

import pytest

from actors.runtime.system import Wire


@pytest.fixture(params=["always", "edge"])
def wire(request: pytest.FixtureRequest) -> Wire:
    return cast(Wire, request.param)
