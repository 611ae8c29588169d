"""What a dialect asks to be sent, for any dialect."""

from __future__ import annotations

from typing import NamedTuple


class HttpRequest(NamedTuple):
    """One HTTP request. `headers` hold the key: never log them. `body` is None for a GET."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None = None
