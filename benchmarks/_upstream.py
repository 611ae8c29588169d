"""A mock upstream as fast as aiohttp can be: the same answer to every chat request, or a paced stream."""

from __future__ import annotations

import asyncio

from aiohttp import web

ANSWER = (
    b'{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"mock","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"' + b"word " * 60 + b'"},"finish_reason":"stop"}],"usage":{"prompt_tokens":400,"completion_tokens":60,"total_tokens":460}}'
)
CHUNK = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"mock","choices":[{"index":0,"delta":{"content":"word "},'
    b'"finish_reason":null}]}\n\n'
)
LAST = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"mock","choices":[{"index":0,"delta":{},'
    b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


async def chat(request: web.Request) -> web.StreamResponse:
    """Answers `POST /v1/chat/completions`."""
    body = await request.read()
    if b'"stream":true' not in body:
        return web.Response(body=ANSWER, content_type="application/json")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    for _ in range(100):
        await response.write(CHUNK)
        await asyncio.sleep(0.02)
    await response.write(LAST)
    await response.write_eof()
    return response


async def start() -> tuple[web.AppRunner, str]:
    """Serves on a free port; the runner, and the base URL."""
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/chat/completions", chat)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    return runner, f"http://127.0.0.1:{port}/v1"
