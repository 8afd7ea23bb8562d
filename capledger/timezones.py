"""The clusters of the service whose time zone its documents state.

Hosts are those of the API overview (2025-09), with the older names that its samples still use. The zones of the other
clusters are stated nowhere, so a session with one of those has to be told.
"""

from __future__ import annotations

from datetime import UTC, timedelta, timezone, tzinfo

from yarl import URL

INDIA = timezone(timedelta(hours=5, minutes=30), "IST")

_ZONES: dict[str, tzinfo] = {
    "apac.intouch.capillarytech.com": INDIA,
    "apac.api.capillarytech.com": INDIA,
    "in.api.capillarytech.com": INDIA,
    "incrm.cc.capillarytech.com": INDIA,
    "eu.intouch.capillarytech.com": UTC,
    "eu.api.capillarytech.com": UTC,
    "eucrm.cc.capillarytech.com": UTC,
}


def known_zone(base_url: str) -> tzinfo | None:
    """Give the zone of a cluster's naive dates; None when no document states it."""
    return _ZONES.get(URL(base_url).host or "")
