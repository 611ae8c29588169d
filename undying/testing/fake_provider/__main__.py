"""The fake provider as a process of its own: `python -m undying.testing.fake_provider --port 9001 --fault cut_at/3`.

Prints its base URL when it is ready, and stops on SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence

from undying.testing.fake_provider.fault import Fault, parse
from undying.testing.fake_provider.faults import describe
from undying.testing.fake_provider.provider import ANSWER, FakeProvider
from undying.testing.fake_provider.stage import Pace


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("python -m undying.testing.fake_provider", description="A provider in OpenAI's dialect with scripted faults.")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes a free one")
    parser.add_argument("--model", action="append", default=[], help="a model it serves; may be given several times; without it: mock")
    parser.add_argument("--any-model", action="store_true", help="serve whatever model is asked for")
    parser.add_argument("--answer", default=ANSWER)
    parser.add_argument("--key", default="", help="demand this key")
    parser.add_argument("--token-delay", type=float, default=0.0, metavar="SECONDS", help="before each token")
    parser.add_argument("--settle", type=float, default=Pace.settle, metavar="SECONDS", help="between the last token and a broken connection")
    parser.add_argument("--fault", type=_spec, metavar="SPEC", help="every call gets it: cut_at/3")
    parser.add_argument("--script", type=_spec, action="append", default=[], metavar="SPEC", help="the next call gets it; may be given several times")
    parser.add_argument("--faults", action="store_true", help="print the table of faults, and end")
    return parser.parse_args(given)


def _spec(text: str) -> Fault:
    try:
        return parse(text)
    except ValueError as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None


async def serve(given: argparse.Namespace) -> None:
    """Serves until SIGTERM or SIGINT."""
    told_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_stop.set)
    served = () if given.any_model else tuple(given.model) or ("mock",)
    async with FakeProvider(models=served, answer=given.answer, token_delay=given.token_delay, settle=given.settle, key=given.key, port=given.port) as fake:
        if given.fault:
            fake.always(given.fault)
        fake.script(*given.script)
        sys.stdout.write(f"{fake.base_url}\n")
        sys.stdout.flush()
        await told_to_stop.wait()


def main() -> None:
    """The process."""
    given = arguments()
    if given.faults:
        sys.stdout.write(f"{describe()}\n")
    else:
        asyncio.run(serve(given))


if __name__ == "__main__":
    main()
