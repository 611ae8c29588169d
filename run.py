"""Undying from the command line.

    python run.py                       serves, with config.yaml beside it
    python run.py serve --config FILE --port N --state DIR
    python run.py status | tree         asks the running daemon
    python run.py tree --watch          goes on showing what it does
    python run.py replay [ID]           runs a crash again in a sandbox: exit 0 when it comes back, else 1; without ID: which there are
    python run.py check-config          exit 0 when the config is good, else 1 and what is wrong
    python run.py --version
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from undying.drawing import draw, span
from undying.version import VERSION

if TYPE_CHECKING:
    from messages.config import Settings

OLLAMA = ("127.0.0.1", 11434)
OLLAMA_LIMIT = 0.3  # seconds: a local server that listens answers in one
ASK_LIMIT = 5.0
GC_THRESHOLDS = (20_000, 20, 50)  # a request makes hundreds of objects and no cycle: look for cycles less often


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a verb; the exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help", "--version")):
        given.insert(0, "serve")
    args = parser().parse_args(given)
    verb: Callable[[argparse.Namespace], int] = args.verb
    return verb(args)


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(prog="run.py", description="A self-healing gateway for language models. Without a verb it serves.")
    top.add_argument("--version", action="version", version=f"undying {VERSION}")
    verbs = top.add_subparsers(required=True, metavar="VERB")

    def verb(name: str, run: Callable[[argparse.Namespace], int], told: str) -> argparse.ArgumentParser:
        made = verbs.add_parser(name, help=told, description=told)
        made.set_defaults(verb=run)
        made.add_argument("--config", type=Path, metavar="FILE", help="the configuration (default: config.yaml here, or beside run.py)")
        made.add_argument("--state", type=Path, metavar="DIR", help="the state directory (default: state_dir of the configuration)")
        return made

    serving = verb("serve", serve, "Serves until SIGTERM or Ctrl-C, then drains.")
    serving.add_argument("--port", type=int, metavar="N", help="listen on this port, 0 for any free one")
    for name, run, told in (("status", status, "Says how the running daemon is."), ("tree", tree, "Shows the running daemon's actors.")):
        asking = verb(name, run, told)
        asking.add_argument("--url", help="the daemon's URL (default: the one that runs on the state directory)")
        form = asking.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print JSON")
        if name == "tree":
            form.add_argument("--watch", action="store_true", help="draw it again whenever it changes, until Ctrl-C")
    replaying = verb("replay", replay, "Runs a crash again, in a sandbox: exit 0 when it comes back.")
    replaying.add_argument("crash", nargs="?", metavar="ID", help="the crash, or the path of its file (default: tell which there are)")
    verb("check-config", check_config, "Checks the configuration and says what is wrong with it.")
    return top


# ---- serve


def serve(args: argparse.Namespace) -> int:
    """The daemon."""
    settings = _settings(args)
    if settings is None:
        return 1
    from actors.runtime.log import configure_service

    lines = configure_service(settings.logging.level, settings.logging.format, sys.stderr)
    try:
        return asyncio.run(_serve(settings, os.environ))
    finally:
        lines.flush()


async def _serve(settings: Settings, environ: Mapping[str, str]) -> int:
    import structlog

    from actors.provider.discovery import describe, discovered
    from actors.runtime.system import StartFailed
    from undying.daemon import Daemon, StateLocked

    log = structlog.get_logger(actor="/")
    ollama_url = await _ollama()
    found = discovered(environ, ollama_url=ollama_url, configured=settings.providers, own_port=settings.server.port)
    for line in describe(environ, ollama_url=ollama_url, configured=settings.providers, own_port=settings.server.port):
        log.info("provider found", found=line)
    settings = settings.model_copy(update={"providers": {**settings.providers, **found}})
    daemon = Daemon(settings)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _told_to_stop, stop)
    try:
        await daemon.start()
    except (StartFailed, StateLocked) as error:
        print(f"undying: {error}", file=sys.stderr)
        return 1
    for name, provider in daemon.settings.providers.items():
        log.info("provider", name=name, kind=provider.kind, base_url=provider.base_url, state=provider.state, missing=list(provider.missing_env))
    for line in not_yet(settings):
        log.warning("setting without effect", setting=line)
    print(f"Undying {VERSION} listens on {daemon.url} (the live tree: {daemon.url}/)", flush=True)
    gc.collect()
    gc.freeze()  # what the start has made lives as long as the process: looking through it again and again finds nothing
    gc.set_threshold(*GC_THRESHOLDS)
    await stop.wait()
    log.info("draining")
    await daemon.stop()
    log.info("stopped")
    return 0


def _told_to_stop(stop: asyncio.Event) -> None:
    if stop.is_set():  # asked twice: whoever did means it
        os._exit(130)
    stop.set()


async def _ollama() -> str | None:
    """The URL of a local Ollama, when something listens on its port."""
    try:
        async with asyncio.timeout(OLLAMA_LIMIT):
            _, writer = await asyncio.open_connection(*OLLAMA)
    except (OSError, TimeoutError):
        return None
    writer.close()
    return f"http://{OLLAMA[0]}:{OLLAMA[1]}"


# ---- asking a running one


def status(args: argparse.Namespace) -> int:
    """`GET /status`, for people."""
    told = _ask(args, "/status")
    if told is None:
        return 1
    if args.json:
        print(_pretty(told))
        return 0
    print(f"{told['url']}  {told['state']}, up {span(told['uptime_ms'])}")
    print(f"{told['actors']} actors, {told['restarts']} restarts, {told['open_requests']} requests open, {told['dead_letters']} dead letters")
    for name, state in told["providers"].items():
        print(f"  {name:<16} {state}")
    for address in told["not_running"]:
        print(f"  not running: {address}")
    return 0


def tree(args: argparse.Namespace) -> int:
    """`GET /status/tree`, drawn; with --watch again and again."""
    if args.watch:
        return _watch(args)
    told = _ask(args, "/status/tree")
    if told is None:
        return 1
    print(_pretty(told) if args.json else "\n".join(draw(told)))
    return 0


def check_config(args: argparse.Namespace) -> int:
    """Whether the configuration is good."""
    settings = _settings(args)
    if settings is None:
        return 1
    print(f"{_config_path(args) or 'the defaults'}: good, {len(settings.providers)} providers configured")
    for line in not_yet(settings):
        print(f"note: {line}")
    return 0


def not_yet(settings: Settings) -> list[str]:
    """Settings that are understood and have no effect yet: nobody should have to find out by himself."""
    strategy = settings.routing.strategy
    return [] if strategy == "ordered" else [f"routing.strategy: {strategy} has no effect yet, providers are tried in order"]


def replay(args: argparse.Namespace) -> int:
    """A crash once more. Asks no daemon: the files are in the state directory, whether one runs or not."""
    settings = _settings(args)
    if settings is None:
        return 1
    from actors.provider.discovery import discovered
    from actors.runtime.crash_file import Damaged, heads, load
    from actors.runtime.log import configure_library
    from actors.runtime.recipe import NoRecipe
    from actors.runtime.replay import replay as run_again
    from supervisors.factory import source_of
    from undying.daemon import CRASHES, with_embedded
    from undying.replay_command import judged, listed, trail

    folder = Path(settings.state_dir) / CRASHES
    if args.crash is None:
        print("\n".join(listed(heads(folder)) or [f"no crashes in {folder}"]))
        return 0
    configure_library()
    found = discovered(os.environ, ollama_url=f"http://{OLLAMA[0]}:{OLLAMA[1]}", configured=settings.providers, own_port=settings.server.port)
    settings = settings.model_copy(update={"providers": with_embedded({**settings.providers, **found})})
    try:
        crash = load(args.crash, folder)
        print("\n".join(trail(crash)))
        replayed = run_again(crash, source_of(crash.head, settings, VERSION))
    except (Damaged, NoRecipe) as error:
        print(error, file=sys.stderr)
        return 1
    print("", *judged(replayed), sep="\n")
    return 0 if replayed.verdict == "same" else 1


# ---- what the verbs share


def _settings(args: argparse.Namespace) -> Settings | None:
    """The settings with the command line's wishes; None when they are not good, and why has been printed."""
    from messages.config_file import ConfigError, load

    environ = dict(os.environ)
    if getattr(args, "port", None) is not None:
        environ["UNDYING_SERVER__PORT"] = str(args.port)
    if args.state is not None:
        environ["UNDYING_STATE_DIR"] = str(args.state)
    try:
        return load(_config_path(args), environ).settings
    except ConfigError as error:
        print(error, file=sys.stderr)
        return None


def _config_path(args: argparse.Namespace) -> Path | None:
    if args.config is not None:
        return Path(args.config)
    here = Path("config.yaml")
    beside = Path(__file__).parent / "config.yaml"
    if here.is_file():
        return here
    return beside if beside.is_file() and (beside.parent / "pyproject.toml").is_file() else None


def _watch(args: argparse.Namespace) -> int:
    from undying.terminal import watch

    if args.url is not None:
        return watch(lambda: str(args.url).rstrip("/"), f"the daemon at {args.url}")
    settings = _settings(args)
    if settings is None:
        return 1
    state = Path(settings.state_dir)
    return watch(lambda: running_url(state)[0], f"a daemon on {state}")


def running_url(state: Path) -> tuple[str | None, str]:
    """The URL of the daemon that runs on the state directory; None, and why not."""
    import json

    from undying.daemon import RUNNING

    running = state / RUNNING
    try:
        return str(json.loads(running.read_bytes())["url"]), ""
    except (FileNotFoundError, NotADirectoryError):
        return None, f"no daemon runs on {state}: start one with python run.py, or name one with --url"
    except (ValueError, KeyError, TypeError):
        return None, f"{running} is damaged: name the daemon with --url, or start it anew"


def _ask(args: argparse.Namespace, path: str) -> Any:
    """The running daemon's answer; None when none runs, and that has been said."""
    import json
    from urllib.error import HTTPError, URLError
    from urllib.request import ProxyHandler, build_opener

    url, why = args.url, ""
    if url is None:
        settings = _settings(args)
        if settings is None:
            return None
        url, why = running_url(Path(settings.state_dir))
    if url is None:
        print(why, file=sys.stderr)
        return None
    try:
        with build_opener(ProxyHandler({})).open(url.rstrip("/") + path, timeout=ASK_LIMIT) as answer:
            return json.loads(answer.read())
    except HTTPError as error:
        print(f"the daemon at {url} answered {error.code} {error.reason} to {path}", file=sys.stderr)
        return None
    except (URLError, TimeoutError, ConnectionError, ValueError) as error:
        print(f"no daemon answers at {url}: {error}", file=sys.stderr)
        return None


def _pretty(told: Any) -> str:
    import json

    return json.dumps(told, indent=2, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
