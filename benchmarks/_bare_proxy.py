"""The yardstick: a reverse proxy in aiohttp that does nothing but proxy. `python benchmarks/_bare_proxy.py UPSTREAM_BASE_URL`."""

from __future__ import annotations

import asyncio
import sys

import aiohttp
from aiohttp import web


def application(upstream: str) -> web.Application:
    """One route, one shared session."""
    app = web.Application(client_max_size=64 * 1024 * 1024)

    async def session(_: web.Application):  # type: ignore[no-untyped-def]
        nonlocal client
        client = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar())
        yield
        await client.close()

    client: aiohttp.ClientSession

    async def proxy(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        async with client.post(f"{upstream}/chat/completions", data=body, headers={"Content-Type": "application/json"}) as answer:
            if answer.content_type == "text/event-stream":
                response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
                return response
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)

    app.cleanup_ctx.append(session)
    app.router.add_post("/v1/chat/completions", proxy)
    return app


async def main() -> None:
    """Serves until it is ended; prints its URL first."""
    runner = web.AppRunner(application(sys.argv[1]), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(f"listens on http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
