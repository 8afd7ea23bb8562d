"""The command as a process: streams, signals, exit codes, and a missing extra."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
from typing import TYPE_CHECKING

import pytest
from support.shell import ENTRIES, MOBILE, PASSWORD, ROOT, finish, process_environment, rows, run, sandbox, start

from capledger.sandbox import Sandbox, SandboxCustomer

if TYPE_CHECKING:
    from capledger.sandbox import LoggedRequest

FORMATS = ["--json", "--csv", "--order=asc"]
WITHOUT_EXTRA = "import sys; sys.modules[{name!r}] = None; from capledger.cli import main; main()"


async def test_results_are_on_stdout_and_messages_on_stderr() -> None:
    """Results are printed on stdout and messages on stderr."""
    async with sandbox() as box:
        result = await run(box, *ENTRIES, "--json", "--limit", "3")

    assert (result.code, len(result.lines)) == (0, 3)
    assert result.err.startswith("capledger: stopped at --limit 3")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((*ENTRIES, "--json"), 0),
        (("entries", "mobile", "404"), 1),
        ((*ENTRIES, "--resume", "x"), 2),
        (("nonsense",), 2),
    ],
    ids=["done", "failed", "usage", "unknown"],
)
async def test_exit_codes(arguments: tuple[str, ...], code: int) -> None:
    """The exit code is 0 when done, 1 for a failure, 2 for a wrong command line."""
    async with sandbox(3) as box:
        result = await run(box, *arguments)

    assert result.code == code
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("form", FORMATS)
async def test_closed_pipe_ends_quietly(form: str) -> None:
    """A closed pipe (``| head``) ends the command silently, and no more pages are requested."""
    async with sandbox(20_000) as box:
        process = await start(box, *ENTRIES, form)
        assert process.stdout is not None
        await process.stdout.readline()
        process.stdout._transport.close()  # type: ignore[attr-defined]  # what `head` does when it has seen enough
        code = await process.wait()
        assert process.stderr is not None
        err = await process.stderr.read()

    assert (code, err) == (0, b"")
    assert len(box.requests) < 200


async def test_interrupt_prints_cursor() -> None:
    """Ctrl-C exits with 130 and one line; stdout and the entries from its cursor on are the whole ledger."""
    reached = asyncio.Event()

    async def hold_the_fifth(box: Sandbox, logged: LoggedRequest) -> None:
        if len(box.requests) >= 5:
            reached.set()
            await asyncio.Event().wait()

    span = ("--to", "2025-02-01", "--json", "--page-size", "20")
    async with sandbox(200, on_request=hold_the_fifth) as box:
        process = await start(box, *ENTRIES, *span)
        await reached.wait()
        process.send_signal(signal.SIGINT)
        first = await finish(process)
        box.on_request = None
        [cursor] = re.findall(r"^capledger: interrupted; go on with --resume (\S+)\n$", first.err)
        second = await run(box, *ENTRIES, *span, "--resume", cursor)

    assert first.code == 130
    numbers = [re.findall(r'"event_log_id":(\d+)', line)[0] for line in [*first.lines, *second.lines]]
    assert numbers == [str(number) for number in range(1, 201)]
    assert len(first.lines) > 0


async def test_secrets_are_in_no_output() -> None:
    """The password is on neither stream and the identifier is not on stderr, however the command ends."""
    for arguments in (
        (*ENTRIES, "--limit", "1"),
        (*ENTRIES, "--resume", "x"),
        (*ENTRIES, "--group"),
        (*ENTRIES, "--to", "x"),
    ):
        async with sandbox(3) as box:
            result = await run(box, *arguments)

        assert PASSWORD not in result.out + result.err
        assert MOBILE not in result.err


@pytest.mark.parametrize("name", ["typer", "rich"])
async def test_missing_extra_is_one_line(name: str) -> None:
    """Without the extra, the message says what to install."""
    result = await finish(await start(None, program=("-c", WITHOUT_EXTRA.format(name=name))))

    assert (result.code, result.out) == (1, "")
    assert result.err == "capledger: the command line is an extra: pip install 'capledger[cli]'\n"


async def test_other_missing_modules_are_reported_as_they_are() -> None:
    """Another missing module is not reported as the missing extra."""
    result = await finish(await start(None, program=("-c", WITHOUT_EXTRA.format(name="capledger.cli.app"))))

    assert result.code == 1
    assert "capledger[cli]" not in result.err


async def test_defects_are_one_line() -> None:
    """An error that nobody expects is one line and exit code 1, and -vv logs its traceback."""
    program = ("-c", "from capledger.cli import demo, main; demo.run_demo = lambda: 1 / 0; main()")
    result = await finish(await start(None, "demo", program=program))
    verbose = await finish(await start(None, "demo", "-vv", program=program))

    line = "capledger: unexpected ZeroDivisionError, a defect of capledger: run it with -vv and report it\n"
    assert (result.code, result.out, result.err) == (1, "", line)
    assert "Traceback" in verbose.err
    assert verbose.err.endswith(line)


async def test_unencodable_characters_are_replaced() -> None:
    """A character that stdout cannot encode is replaced in the table; JSON is always UTF-8."""
    async with Sandbox([SandboxCustomer(MOBILE, rows(1, event_name="Bon\u2026d\u2019achat"))]) as box:
        table = await finish(await start(box, *ENTRIES, PYTHONIOENCODING="ascii"))
        lines = await finish(await start(box, *ENTRIES, "--json", PYTHONIOENCODING="ascii"))

    assert (table.code, lines.code) == (0, 0)
    assert "Bon?d?achat" in table.out
    assert "Bon\u2026d\u2019achat" in lines.out


async def test_version() -> None:
    """--version prints one line on stdout."""
    result = await run(None, "--version")

    assert (result.code, result.err, len(result.lines)) == (0, "", 1)
    assert result.out.startswith("capledger ")


@pytest.mark.parametrize("arguments", [("--help",), ("entries", "--help"), ("entries", "-h")], ids=" ".join)
async def test_help_is_light(arguments: tuple[str, ...]) -> None:
    """Help imports no server."""
    told = "import atexit, sys; atexit.register(lambda: print(*sorted(sys.modules), file=sys.stderr))"
    program = ("-c", f"{told}; from capledger.cli import main; main()")

    result = await finish(await start(None, *arguments, program=program))

    assert result.code == 0
    assert not {"aiohttp.web", "capledger.sandbox", "duckdb", "pyarrow"} & set(result.err.split())


@pytest.mark.parametrize("command", ["entries", "events"])
async def test_help_is_complete(command: str) -> None:
    """Help has an example, each variable and the exit codes, on lines that fit 80 columns."""
    result = await run(None, command, "--help")

    for wanted in ("CAPLEDGER_BASE_URL", "CAPLEDGER_PASSWORD", "CAPLEDGER_CLIENT_SECRET", "130", "mobile 9174064"):
        assert wanted in result.out
    assert max(map(len, result.lines)) <= 80


@pytest.mark.parametrize(
    "command",
    ["demo", "check", "entries", "events", "backfill", "verify", "sandbox", None],
    ids=lambda name: name or "",
)
async def test_help_cuts_no_name(command: str | None) -> None:
    """On 80 columns no name of an option is cut, and flags have no type."""
    result = await run(None, *([command] if command else []), "--help")

    assert result.code == 0
    assert "\u2026" not in result.out
    assert "<bool>" not in result.out


async def test_completion_is_offered() -> None:
    """The completion script of the shell that the command is run by is printed."""
    bash = ("bash", "-c", '"$@"; exit "$?"', "bash")
    result = await finish(await start(None, "--show-completion", within=bash))

    assert result.code == 0
    assert "_CAPLEDGER_COMPLETE" in result.out


async def test_sandbox_prints_commands_to_paste() -> None:
    """The variables and the command that it prints can be pasted into a shell; Ctrl-C ends it."""
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


async def test_sandbox_port_in_use() -> None:
    """A port in use is a usage error of one line."""
    async with sandbox(1) as box:
        port = box.url.rpartition(":")[2]
        result = await run(None, "sandbox", "--port", port)

    assert (result.code, result.out) == (2, "")
    assert f"port {port} is not available" in result.err
