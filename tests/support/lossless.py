"""Whether a model holds all of the JSON that it was made of; as a script, over a folder of printed responses.

``python tests/lossless.py FOLDER`` decodes each ``*.json`` and names every key or value that its model does not hold.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capledger import CapledgerError
from capledger._sansio.dates import read_date
from capledger._sansio.decoder import Decoder
from capledger._sansio.json import parse_json
from capledger._sansio.requests import Request
from capledger._sansio.response import Response
from capledger.models import EventsPage, LedgerPage
from capledger.models._fields import json_keys, response_fields

if TYPE_CHECKING:
    from collections.abc import Iterator

#: What a model says as None, and why it says nothing: no customer has the id 0, and an empty object is no object.
BLANK: tuple[dict[str, int], ...] = ({}, {"userId": 0})


def losses(raw: Any, made: Any, path: str = "$") -> Iterator[str]:
    """Name each key and value of the JSON that the model does not hold, scale of decimals included."""
    if isinstance(raw, dict) and made is None:
        yield from () if raw in BLANK else (f"{path}: dropped",)
    elif isinstance(raw, dict) and isinstance(made, dict):
        yield from (f"{path}.{key}: dropped" for key in raw.keys() - made.keys())
        for key in raw.keys() & made.keys():
            yield from losses(raw[key], made[key], f"{path}.{key}")
    elif isinstance(raw, dict):
        yield from _losses_of_object(raw, made, path)
    elif isinstance(raw, list):
        yield from () if len(raw) == len(made) else (f"{path}: {len(raw)} items became {len(made)}",)
        for number, (one, other) in enumerate(zip(raw, made, strict=False)):
            yield from losses(one, other, f"{path}[{number}]")
    elif not _same(raw, made):
        yield f"{path}: {raw!r} became {made!r}"


def _losses_of_object(raw: dict[str, Any], made: Any, path: str) -> Iterator[str]:
    attributes = {key: attribute.name for attribute in response_fields(type(made)) for key in json_keys(attribute)}
    for key, value in raw.items():
        if key in attributes:
            yield from losses(value, getattr(made, attributes[key]), f"{path}.{key}")
        else:
            yield f"{path}.{key}: unknown to {type(made).__name__}"


def _same(raw: Any, made: Any) -> bool:
    if isinstance(made, Decimal):
        return str(made) == str(raw)
    if isinstance(made, datetime):
        return isinstance(raw, str) and (read_date(raw, UTC) == made or _has_twin(raw, made))
    return bool(made == raw or (raw is None and not made))


def _has_twin(raw: str, made: datetime) -> bool:
    """Tell whether a date without a zone is the wall clock of its twin, which has whole seconds."""
    local = read_date(raw, UTC)
    return local.replace(tzinfo=None, microsecond=0) == made.replace(tzinfo=None, microsecond=0)


def main(folder: str) -> None:
    """Print what each response in the folder loses, or the error that it is."""
    for path in sorted(Path(folder).glob("*.json")):
        body = path.read_bytes()
        model: type[Any] = EventsPage if "explode" in path.name else LedgerPage
        request = Request(path="/", response_type=model, endpoint="sample")
        try:
            page = Decoder(UTC).decode(request, Response(200, {}, body))
        except CapledgerError as error:
            found = [f"{type(error).__name__}: {error}"]
        else:
            found = list(losses(parse_json(body), page)) or ["nothing lost"]
        sys.stdout.write("".join(f"{path.name}: {line}\n" for line in found))


if __name__ == "__main__":
    main(sys.argv[1])
