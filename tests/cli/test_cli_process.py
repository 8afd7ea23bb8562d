"""The command as a process: streams, signals, exit codes, and what it does without its extra."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from support.shell import ABOUT, MOBILE, PASSWORD, ROOT, finish, process_environment, rows, run, sandbox, start

from capledger.sandbox import Sandbox, SandboxCustomer

if TYPE_CHECKING:
    from capledger.sandbox import LoggedRequest

FORMATS = ["--json", "--csv", "--order=asc"]
WITHOUT_EXTRA = "import sys; sys.modules[{name!r}] = None; from capledger.cli import main; main()"


async def test_results_go_to_stdout_and_all_else_to_stderr() -> None:
    """A process ends with 0, its results on one stream and its remarks on the other."""
    async with sandbox() as box:
        shown = await finish(await start(box, *ABOUT, "--json", "--limit", "3"))

    assert (shown.code, len(shown.lines)) == (0, 3)
    assert shown.err.startswith("capledger: stopped at --limit 3")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [((*ABOUT, "--json"), 0), (("entries", "mobile", "404"), 1), ((*ABOUT, "--resume", "x"), 2), (("nonsense",), 2)],
    ids=["done", "failed", "usage", "unknown"],
)
async def test_exit_codes(arguments: tuple[str, ...], code: int) -> None:
    """0 when done, 1 when it failed, 2 for a command line that is not right."""
    async with sandbox(3) as box:
        shown = await finish(await start(box, *arguments))

    assert shown.code == code
    assert (code == 0) is (shown.err == "")


@pytest.mark.parametrize("form", FORMATS)
async def test_closed_pipe_ends_quietly(form: str) -> None:
    """When nobody reads on (``| head``), it ends without a word and asks for no more pages."""
    async with sandbox(20_000) as box:
        process = await start(box, *ABOUT, form)
        assert process.stdout is not None
        await process.stdout.readline()
        process.stdout._transport.close()  # type: ignore[attr-defined]  # what `head` does when it has seen enough
        code = await process.wait()
        assert process.stderr is not None
        err = await process.stderr.read()

    assert (code, err) == (0, b"")
    assert len(box.requests) < 200


async def test_interrupt_says_where_to_go_on() -> None:
    """Ctrl-C ends with 130 and one line; what was printed and what its cursor gives are the whole ledger."""
    reached = asyncio.Event()

    async def hold_the_fifth(box: Sandbox, logged: LoggedRequest) -> None:
        if len(box.requests) >= 5:
            reached.set()
            await asyncio.Event().wait()

    span = ("--to", "2025-02-01", "--json", "--page-size", "20")
    async with sandbox(200, on_request=hold_the_fifth) as box:
        process = await start(box, *ABOUT, *span)
        await reached.wait()
        process.send_signal(signal.SIGINT)
        first = await finish(process)
        box.on_request = None
        [cursor] = re.findall(r"^capledger: interrupted; go on with --resume (\S+)\n$", first.err)
        second = await run(box, *ABOUT, *span, "--resume", cursor)

    assert first.code == 130
    numbers = [re.findall(r'"event_log_id":(\d+)', line)[0] for line in [*first.lines, *second.lines]]
    assert numbers == [str(number) for number in range(1, 201)]
    assert len(first.lines) > 0


async def test_secrets_are_in_no_output() -> None:
    """Whatever the end, the password is on neither stream, and the identifier is not on stderr."""
    for arguments in ((*ABOUT, "--limit", "1"), (*ABOUT, "--resume", "x"), (*ABOUT, "--group"), (*ABOUT, "--to", "x")):
        async with sandbox(3) as box:
            shown = await finish(await start(box, *arguments))

        assert PASSWORD not in shown.out + shown.err
        assert MOBILE not in shown.err


@pytest.mark.parametrize("name", ["typer", "rich"])
async def test_missing_extra_is_one_line(name: str) -> None:
    """Without the extra it says what to install."""
    shown = await finish(await start(None, program=("-c", WITHOUT_EXTRA.format(name=name))))

    assert (shown.code, shown.out) == (1, "")
    assert shown.err == "capledger: the command line is an extra: pip install 'capledger[cli]'\n"


async def test_other_missing_modules_are_not_taken_for_the_extra() -> None:
    """What is missing for another reason is not blamed on the extra."""
    shown = await finish(await start(None, program=("-c", WITHOUT_EXTRA.format(name="capledger.cli.app"))))

    assert shown.code == 1
    assert "capledger[cli]" not in shown.err


async def test_terminals_of_other_encodings_get_what_they_can_show() -> None:
    """A character that stdout cannot encode is replaced in the table; JSON is UTF-8 whatever the terminal."""
    async with Sandbox([SandboxCustomer(MOBILE, rows(1, event_name="Bon\u2026d\u2019achat"))]) as box:
        table = await finish(await start(box, *ABOUT, PYTHONIOENCODING="ascii"))
        lines = await finish(await start(box, *ABOUT, "--json", PYTHONIOENCODING="ascii"))

    assert (table.code, lines.code) == (0, 0)
    assert "Bon?d?achat" in table.out
    assert "Bon\u2026d\u2019achat" in lines.out


async def test_version() -> None:
    """--version is one line on stdout."""
    shown = await finish(await start(None, "--version"))

    assert (shown.code, shown.err, len(shown.lines)) == (0, "", 1)
    assert shown.out.startswith("capledger ")


@pytest.mark.parametrize("arguments", [("--help",), ("entries", "--help"), ("entries", "-h")], ids=" ".join)
async def test_help_is_light(arguments: tuple[str, ...]) -> None:
    """Help needs no server, and so does not import one."""
    told = "import atexit, sys; atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))"
    program = ("-c", f"{told}; from capledger.cli import main; main()")

    shown = await finish(await start(None, *arguments, program=program))

    assert shown.code == 0
    assert not {"aiohttp.web", "capledger.sandbox", "duckdb", "pyarrow"} & set(shown.err.split())


@pytest.mark.parametrize("command", ["entries", "events"])
async def test_help_is_enough_for_a_stranger(command: str) -> None:
    """It has a command to try, each variable, and the exit codes, on lines that fit 80 columns."""
    shown = await finish(await start(None, command, "--help"))

    for wanted in ("CAPLEDGER_BASE_URL", "CAPLEDGER_PASSWORD", "CAPLEDGER_CLIENT_SECRET", "130", "mobile 9174064"):
        assert wanted in shown.out
    assert max(map(len, shown.lines)) <= 80


async def test_completion_is_offered() -> None:
    """The shell's completion script can be printed, and completes the commands."""
    shown = await finish(await start(None, "--show-completion", "bash"))

    assert shown.code == 0
    assert "_CAPLEDGER_COMPLETE" in shown.out


async def test_sandbox_tells_how_to_ask_it() -> None:
    """What it prints can be pasted: the variables, and a command that gives entries. Ctrl-C ends it."""
    box = await start(None, "sandbox")
    assert box.stdout is not None
    try:
        welcome = (await box.stdout.readuntil(b"--include-alternate-currencies\n")).decode()
        script = "\n".join(line for line in welcome.splitlines() if line.startswith(("export", "capledger entries")))
        script = script.replace("capledger entries", f"{sys.executable} -m capledger entries")
        shell = await asyncio.create_subprocess_shell(
            script, env=process_environment() | {"PYTHONPATH": str(ROOT)}, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await shell.communicate()
        box.send_signal(signal.SIGINT)
        ended = await finish(box)
    finally:
        with contextlib.suppress(ProcessLookupError):
            box.kill()

    assert shell.returncode == 0
    assert out.decode().splitlines()[0].split() == ["Entry", "Date", "Event", "Points", "Currencies"]
    assert len(out.splitlines()) > 100
    assert (ended.code, ended.err) == (0, "capledger: the sandbox has stopped\n")


async def test_sandbox_on_a_port_that_is_taken_says_so() -> None:
    """A port in use is a usage error of one line."""
    async with sandbox(1) as box:
        port = box.url.rpartition(":")[2]
        shown = await finish(await start(None, "sandbox", "--port", port))

    assert (shown.code, shown.out) == (2, "")
    assert f"port {port} is not available" in shown.err
