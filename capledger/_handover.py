"""Between a large answer and its decoding: what can be sent goes first, and answers that came together go one by one.

Decoding holds up the event loop for as long as it takes to send some requests. So the place of an answer is given to
another request before it is decoded; and the next answer is decoded when this one was used.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from capledger._answer import Answer
    from capledger._gate import Gate, Permit
    from capledger._requests import Arrived

#: Bytes of an answer that is decoded in less time than a turn of the event loop takes.
_SOON_DECODED = 8 * 1024

#: Turns of the event loop in which who waited for an answer sends what follows and uses it.
_TURNS = 2


def is_large(answer: Answer) -> bool:
    """Whether an answer has to line up."""
    return len(answer.body) > _SOON_DECODED


class Handover:
    """Where the large answers of a session line up."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._turn = asyncio.Lock()

    async def wait(self, answer: Answer, permit: Permit, arrived: Arrived | None) -> None:
        """Wait until a large answer may be decoded."""
        await self._turn.acquire()
        follows = False
        try:
            if not permit.probe and _looks_good(answer):
                self._gate.leave(permit)
                follows = arrived is not None and arrived()
        finally:
            self._release_in(_TURNS + 1 if follows else _TURNS)
        if follows:
            await asyncio.sleep(0)

    def _release_in(self, turns: int) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(self._release_in, turns - 1)
        else:
            self._turn.release()


def _looks_good(answer: Answer) -> bool:
    """Whether it will hardly be refused or asked for again: then its place may go to another before it is decoded.

    A page ends with a list or an object of its own; what was cut off behind a row ends with a value of the row.
    """
    return answer.successful and answer.body[-10:].rstrip().endswith((b"]}", b"}}"))
