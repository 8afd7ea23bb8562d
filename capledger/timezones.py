"""Time zones of the clusters for which the vendor documents one.

Hosts are those of the vendor's API overview (September 2025), with the older names that its samples still use. The
zones of the other clusters are not documented, so ``LedgerSession(timezone=...)`` must state them.
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


def known_zone(base_url: str | URL) -> tzinfo | None:
    """Return the zone of a cluster's naive dates, None where it is not documented."""
    return _ZONES.get(URL(base_url).host or "")
