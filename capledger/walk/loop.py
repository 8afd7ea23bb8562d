"""``async for`` over a walk, in such a way that leaving it ends the fetches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Self

T = TypeVar("T")


class Stoppable(Protocol):
    """A walk with fetches under way."""

    def stop(self) -> object:
        """End them without waiting for their end."""


class Loop(Generic[T]):
    """One ``async for`` over a walk: when it is left, by whatever way, nothing stays under way."""

    def __init__(self, walk: Stoppable, step: Callable[[], Awaitable[T]]) -> None:
        self._walk = walk
        self._step = step

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[T]:
        return self._step()

    def __del__(self) -> None:
        self._walk.stop()
