"""What the ``--help`` of several commands says alike, in the markup of rich; typer keeps the lines as they are."""

from __future__ import annotations


def paragraph(title: str, lines: list[str]) -> str:
    """A title with lines below it, each kept on a line of its own."""
    return "\n".join([f"[bold]{title}[/bold]", *(f"  {line}" for line in lines)])


CONNECTION = paragraph(
    "Environment",
    [
        "CAPLEDGER_BASE_URL    the cluster: https://eu.api.capillarytech.com or so",
        "CAPLEDGER_TIMEZONE    zone of the server's clock, such as Asia/Kolkata;",
        "                      not needed for clusters in India and Europe",
        "CAPLEDGER_USERNAME    a till's name, with its CAPLEDGER_PASSWORD",
        "CAPLEDGER_CLIENT_KEY  or an OAuth client's, with CAPLEDGER_CLIENT_SECRET",
    ],
)
EXIT_CODES = paragraph(
    "Exit codes",
    [
        "0    done",
        "1    it failed; one line on stderr says why, and where to go on",
        "2    the command line or the environment is not right",
        "130  interrupted (Ctrl-C)",
    ],
)


def epilog(*commands: str, connected: bool) -> str:
    """What stands below the options: command lines to try, the environment where it counts, and the exit codes."""
    tried = paragraph("Examples", [f"[cyan]{command}[/cyan]" for command in commands])
    return "\n\n".join([tried, *([CONNECTION] if connected else []), EXIT_CODES])
