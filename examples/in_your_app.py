"""The gateway inside your own app: `python examples/in_your_app.py`.

Asks the embedded provider through the gateway's own HTTP door, talks to an actor by a typed message, and crashes that actor to show
that nothing is lost.
"""

import asyncio
import tempfile

import aiohttp

from undying import Daemon


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Daemon({"server": {"port": 0}, "state_dir": folder, "inject": {"enabled": True}}) as gateway, aiohttp.ClientSession() as client:
            print("listens on", gateway.url)

            async def say(text: str) -> str:
                body = {"messages": [{"role": "user", "content": text}]}
                async with client.post(f"{gateway.url}/v1/chat/completions", json=body) as answer:
                    return (await answer.json())["choices"][0]["message"]["content"]

            print(await say("Hello"))
            crash = client.post(f"{gateway.url}/inject/routing/router", json={"kind": "kernel.crash"}, headers={"X-Undying-Control": "1"})
            _, answer = await asyncio.gather(crash, say("Are you still there?"))
            print(answer)
            async with client.get(f"{gateway.url}/status/actors/routing/router") as told:
                print("the router was restarted", (await told.json())["restarts"], "time")


if __name__ == "__main__":
    asyncio.run(main())
