"""Points in event details: earned, promised and returned amounts, and their breakdowns."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from attrs import frozen

from capledger.sandbox.rows import PROGRAM_ID, PROGRAM_NAME, legacy_date
from capledger.sandbox.zones import shifted

Details = dict[str, Any]

_YEAR: Final = timedelta(days=365, seconds=-1)
PROGRAM: Final[dict[str, int | str]] = {"programId": PROGRAM_ID, "programName": PROGRAM_NAME}
_PROMOTION: Final = {"promotionId": 52001, "promotionName": "Double Tide"}


@frozen
class Earning:
    """An amount earned or returned at a moment of naive server time."""

    amount: Decimal
    moment: datetime

    def regular(self) -> Details:
        """Return points of the programme's rules."""
        return {"value": self.amount, **self._expiry(), **PROGRAM}

    def promo(self) -> Details:
        """Return points of a promotion."""
        return {**_PROMOTION, **PROGRAM, "value": self.amount, **self._expiry()}

    def campaign(self) -> Details:
        """Return points of a promotion that has dates and no expiry."""
        span = {
            "promotionStartDate": legacy_date(shifted(midnight(self.moment), -timedelta(days=3))),
            "promotionEndDate": legacy_date(shifted(midnight(self.moment), timedelta(days=3, seconds=-1))),
        }
        return {**_PROMOTION, **PROGRAM, "value": self.amount, **span}

    def promised(self) -> Details:
        """Return points that become usable later."""
        conversion = legacy_date(shifted(midnight(self.moment), timedelta(days=15)))
        return {"value": self.amount, "conversionDate": conversion, **PROGRAM}

    def breakdown(self, *, action: bool = True, promotion: bool = True) -> Details:
        """Return points with the strategies that awarded them."""
        award = {"id": 611, "name": "AWARD_POINTS_ACTION", "rulesetId": 61, "rulesetName": "ruleset_harbour"}
        return {
            "value": self.amount,
            **self._expiry(),
            "awardedOn": legacy_date(self.moment),
            "sourceValue": 1250.5,
            **({"awardActionDetails": award} if action else {}),
            **PROGRAM,
            "allocationStrategyId": 71,
            "allocationStrategyName": "Five percent",
            "pointsCategoryId": 81,
            "pointsCategoryName": "Main",
            "expiryStrategyId": 91,
            "expiryStrategyName": "One year rolling",
            **({"promotionDetails": _PROMOTION} if promotion else {}),
        }

    def returned(self, row: Details, key: str) -> Details:
        """Return a regular or promo item of a return: 0 earned, and the amount under ``key``."""
        return row | {"value": 0, key: self.amount}

    def _expiry(self) -> dict[str, str]:
        expiry = shifted(midnight(self.moment), _YEAR)
        return {"expiresOn": legacy_date(expiry), "expiryType": "rolling"}


def earned(
    regular: list[Details] | None = None,
    promo: list[Details] | None = None,
    promised: list[Details] | None = None,
) -> Details:
    """Return a ``pointsEarned``."""
    return {"regular": regular or [], "promo": promo or [], "promised": promised or []}


def breakdown(regular: list[Details]) -> Details:
    """Return a ``pointsEarnedBreakup``, which has no list of promotions."""
    return {"regular": regular, "promised": []}


def currency_item(name: str, earning: Earning) -> Details:
    """Return an item of ``alternateCurrencyValueEarned``."""
    return _currency_name(name) | earned([earning.regular()])


def currency_breakdown(name: str, earning: Earning) -> Details:
    """Return an item of ``alternateCurrencyValueEarnedBreakup``."""
    return _currency_name(name) | breakdown([earning.breakdown(action=False, promotion=False)])


def _currency_name(name: str) -> Details:
    return {"alternateCurrencyName": name, "alternateCurrencyIdentifier": f"harbour-{name.lower()}"}


def midnight(moment: datetime) -> datetime:
    """Return the first moment of the day."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
