"""Entries as tables of Arrow, polars and pandas: amounts as ``decimal128(38, 9)``, dates in UTC to the microsecond.

The columns are those of a backfill without identifier and run. pyarrow comes with the extra ``parquet``; polars
and pandas are your own. A table of Arrow can be passed as it is to whatever reads Arrow's C stream (PyCapsule), such as
DuckDB and polars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from capledger.frames.arrow import entry_batch, entry_schema, import_arrow
from capledger.frames.extras import import_extra

if TYPE_CHECKING:
    from collections.abc import Iterable

    from capledger.models import LedgerEntry

__all__ = ["entries_to_arrow", "entries_to_pandas", "entries_to_polars", "entry_schema"]


def entries_to_arrow(entries: Iterable[LedgerEntry]) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """Return entries as a ``pyarrow.Table``.

    Raises:
        ConfigurationError: pyarrow is not installed.
        MisfitError: a value does not fit its column; nothing is rounded.
    """
    return import_arrow().Table.from_batches([entry_batch(list(entries))], schema=entry_schema())


def entries_to_polars(entries: Iterable[LedgerEntry]) -> Any:  # noqa: ANN401 - types only where polars is installed
    """Return entries as a ``polars.DataFrame``; the map of currencies is a list of structs of ``key`` and ``value``.

    Raises:
        ConfigurationError: pyarrow or polars is not installed.
        MisfitError: a value does not fit its column; nothing is rounded.
    """
    polars = import_extra("polars", "polars")
    return polars.from_arrow(entries_to_arrow(entries))


def entries_to_pandas(entries: Iterable[LedgerEntry]) -> Any:  # noqa: ANN401 - pandas ships no types
    """Return entries as a ``pandas.DataFrame`` whose columns are of Arrow's types, so that no amount becomes a float.

    Raises:
        ConfigurationError: pyarrow or pandas is not installed.
        MisfitError: a value does not fit its column; nothing is rounded.
    """
    pandas = import_extra("pandas", "pandas")
    return entries_to_arrow(entries).to_pandas(types_mapper=pandas.ArrowDtype)
