"""Commands as processes, forked from one that has imported them, since their import takes most of a second."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sys
from multiprocessing.reduction import DupFd
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["capledger.cli.app", "capledger.backfill", "capledger.sandbox"])


async def run_command(
    arguments: Sequence[str], variables: Mapping[str, str], stdout: int | None = None, *, hurried: bool = False
) -> tuple[int, str, str]:
    """Run a command as a process without input.

    Args:
        arguments: of the command.
        variables: the environment.
        stdout: a file in place of a pipe.
        hurried: shorten what it waits before retries: seconds become hundredths.

    Returns:
        the exit code, and what was printed on standard output, if that is a pipe, and on standard error.
    """
    (out, out_of_child), (err, err_of_child) = os.pipe(), os.pipe()
    if stdout is not None:
        os.dup2(stdout, out_of_child)
    streams = [DupFd(stream) for stream in (out_of_child, err_of_child)]
    process = _CONTEXT.Process(target=_run, args=(arguments, dict(variables), streams, hurried), daemon=True)
    process.start()
    os.close(out_of_child)
    os.close(err_of_child)
    output, messages = await asyncio.gather(asyncio.to_thread(_read, out), asyncio.to_thread(_read, err))
    await asyncio.to_thread(process.join)
    code = process.exitcode
    process.close()
    assert code is not None
    return code, output, messages


def _read(stream: int) -> str:
    with open(stream, encoding="utf-8", newline="") as file:
        return file.read()


def _run(arguments: Sequence[str], variables: Mapping[str, str], streams: Sequence[Any], hurried: bool) -> None:  # noqa: FBT001 - passed by position
    """Run the command as a new interpreter would, with streams and variables of its own."""
    for number, stream in enumerate(streams, 1):
        os.dup2(stream.detach(), number)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115 - for its life
    os.environ.clear()
    os.environ.update(variables)
    sys.argv = ["capledger", *arguments]
    if hurried:
        _shorten_waits()

    from capledger.cli import main  # noqa: PLC0415 - in the process of the command alone

    main()


def _shorten_waits() -> None:
    """Wait the shortest time before retries of a request, and hardly at all before those of customers."""
    from capledger._transport import client  # noqa: PLC0415 - in the process of the command alone

    defaults = client.Transport.__init__.__kwdefaults__
    assert defaults is not None
    defaults["random"] = lambda: 0.0
    sleep = asyncio.sleep
    asyncio.sleep = lambda seconds: sleep(seconds / 100)  # type: ignore[assignment]  # a shorter one
