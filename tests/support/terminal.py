"""A terminal for a command's standard error: a pseudo-terminal, and the screen that a person sees."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import select
import struct
import termios
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN = re.compile(r"\x1b\[(\??[\d;]*)([A-Za-z])|\x1b.|[\r\n]|[^\x1b\r\n]+")


@define
class Screen:
    """What a terminal of this width shows; lines longer than it are wrapped."""

    width: int
    lines: list[str] = field(factory=lambda: [""])
    row: int = 0
    column: int = 0

    def feed(self, text: str) -> None:
        """Interpret output: text, line ends, moves up and the erasing of lines; colors are ignored."""
        for match in _TOKEN.finditer(text):
            self._apply(match[0], match[1] or "", match[2] or "")

    def _apply(self, token: str, number: str, command: str) -> None:
        if token == "\r":
            self.column = 0
        elif token == "\n":
            self._down()
        elif command == "A":
            self.row = max(0, self.row - int(number or 1))
        elif command == "K":
            self.lines[self.row] = "" if number == "2" else self.lines[self.row][: self.column]
        elif not token.startswith("\x1b"):
            for character in token:
                self._put(character)

    def _put(self, character: str) -> None:
        if self.column == self.width:
            self._down()
            self.column = 0
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
        self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append("")

    def resize(self, width: int) -> None:
        """Change the width, and break longer lines as terminals do; the cursor stays on its character."""
        broken = [[line[at : at + width] for at in range(0, max(len(line), 1), width)] for line in self.lines]
        self.row = sum(map(len, broken[: self.row])) + max(self.column - 1, 0) // width
        self.column -= max(self.column - 1, 0) // width * width
        self.lines = [part for parts in broken for part in parts]
        self.width = width

    @property
    def text(self) -> str:
        """The lines shown, without those that are empty."""
        return "".join(f"{line.rstrip()}\n" for line in self.lines if line.strip())


@define
class Terminal:
    """The two ends of a pseudo-terminal."""

    controller: int
    """Read by the test."""
    device: int
    """Given to the command."""

    @classmethod
    def open(cls, width: int) -> Terminal:
        """Return a pseudo-terminal of this many columns and 24 rows."""
        terminal = cls(*pty.openpty())
        terminal.resize(width)
        return terminal

    def resize(self, width: int) -> None:
        """Change the number of columns; the command is told by ``SIGWINCH``, which the test sends."""
        fcntl.ioctl(self.device, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))

    def read_available(self) -> str:
        """Return the output that nobody has read yet."""
        output = b""
        while select.select([self.controller], [], [], 0)[0]:
            output += os.read(self.controller, 65_536)
        return output.decode()

    async def read(self) -> str:
        """Return all output, once the command has ended."""
        os.close(self.device)
        return await asyncio.to_thread(lambda: b"".join(self._chunks()).decode())

    def _chunks(self) -> Iterator[bytes]:
        try:
            while chunk := os.read(self.controller, 65_536):
                yield chunk
        except OSError:  # how Linux says that nobody writes any more
            pass
        finally:
            os.close(self.controller)
