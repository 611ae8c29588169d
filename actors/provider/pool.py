"""What an account and its attempts share and no message may carry: the provider's key and its open connections.

Not an actor: it outlives the account, so that streams in flight do. The account decides who may use it, and when.
"""

from __future__ import annotations

from collections.abc import Callable

import aiohttp

from messages.config import ProviderSettings

KEEPALIVE = 60.0


class Pool:
    """One provider's settings, key and connections. `wall` is the wall clock in seconds since 1970, for the embedded provider's answers."""

    def __init__(self, name: str, settings: ProviderSettings, wall: Callable[[], float]) -> None:
        self.name = name
        self.settings = settings
        self.wall = wall
        self._session: aiohttp.ClientSession | None = None

    @property
    def key(self) -> str | None:
        """The provider's key; never to be put into a message."""
        return None if self.settings.api_key is None else self.settings.api_key.get_secret_value()

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections, opened on first use. They are not limited here: the account's permits are the limit."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE),
                cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True, trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.settings.timeouts.connect),
            )  # fmt: skip
        return self._session

    async def close(self) -> None:
        """Closes what is open."""
        if self._session is not None:
            await self._session.close()
            self._session = None


async def read_whole(response: aiohttp.ClientResponse, most: int) -> bytes | None:
    """The whole body, or None when it is longer than `most` bytes: a provider that never stops must not fill our memory."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > most:
            return None
    return b"".join(parts)
