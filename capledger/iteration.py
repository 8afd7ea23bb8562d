"""``async for`` over a walk of any kind, which ends the requests under way when it is left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Self

T = TypeVar("T")


class _Walk(Protocol):
    def _leave(self) -> None:
        """End the requests under way without waiting for their end, unless a consumer waits for the next item."""


class Iteration(Generic[T]):
    """One ``async for`` over a walk; however it is left, its last reference goes and no request stays under way."""

    def __init__(self, walk: _Walk, step: Callable[[], Awaitable[T]]) -> None:
        self._walk = walk
        self._step = step

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[T]:
        return self._step()

    def __del__(self) -> None:
        self._walk._leave()  # noqa: SLF001 - walks have no public method that ends requests without waiting
