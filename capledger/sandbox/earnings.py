"""The points objects of event details: what was earned, in short and broken down, in points and other currencies."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from attrs import frozen

from capledger.sandbox.rows import PROGRAM_ID, PROGRAM_NAME, legacy_date

_YEAR: Final = timedelta(days=365)
_PROMOTION: Final = {"promotionId": 52001, "promotionName": "Double Tide"}


@frozen
class Earning:
    """An amount earned (or given back) at a moment of naive server time."""

    amount: Decimal
    moment: datetime

    def regular(self) -> dict[str, Any]:
        """Points of the usual kind."""
        return {"value": self.amount, **self._expiry(), **_program()}

    def promo(self) -> dict[str, Any]:
        """Points of a promotion."""
        return {**_PROMOTION, **_program(), "value": self.amount, **self._expiry()}

    def campaign(self) -> dict[str, Any]:
        """Points of a promotion that has dates and no expiry of its own."""
        span = {
            "promotionStartDate": legacy_date(self._midnight() - timedelta(days=3)),
            "promotionEndDate": legacy_date(self._midnight() + timedelta(days=3, seconds=-1)),
        }
        return {**_PROMOTION, **_program(), "value": self.amount, **span}

    def promised(self) -> dict[str, Any]:
        """Points that are yet to come."""
        conversion = legacy_date(self._midnight() + timedelta(days=15))
        return {"value": self.amount, "conversionDate": conversion, **_program()}

    def breakdown(self, *, action: bool = True, promotion: bool = True) -> dict[str, Any]:
        """Points with the strategies that gave them."""
        award = {"id": 611, "name": "AWARD_POINTS_ACTION", "rulesetId": 61, "rulesetName": "ruleset_harbour"}
        return {
            "value": self.amount,
            **self._expiry(),
            "awardedOn": legacy_date(self.moment),
            "sourceValue": 1250.5,
            **({"awardActionDetails": award} if action else {}),
            **_program(),
            "allocationStrategyId": 71,
            "allocationStrategyName": "Five percent",
            "pointsCategoryId": 81,
            "pointsCategoryName": "Main",
            "expiryStrategyId": 91,
            "expiryStrategyName": "One year rolling",
            **({"promotionDetails": _PROMOTION} if promotion else {}),
        }

    def given_back(self, row: dict[str, Any], key: str) -> dict[str, Any]:
        """A regular or promo item of a return: nothing earned, and the amount under ``key``."""
        return row | {"value": 0, key: self.amount}

    def _expiry(self) -> dict[str, str]:
        return {"expiresOn": legacy_date(self._midnight() + _YEAR - timedelta(seconds=1)), "expiryType": "rolling"}

    def _midnight(self) -> datetime:
        return self.moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _program() -> dict[str, Any]:
    return {"programId": PROGRAM_ID, "programName": PROGRAM_NAME}


def earned(
    regular: list[dict[str, Any]] | None = None,
    promo: list[dict[str, Any]] | None = None,
    promised: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """A ``pointsEarned``."""
    return {"regular": regular or [], "promo": promo or [], "promised": promised or []}


def broken_down(regular: list[dict[str, Any]]) -> dict[str, Any]:
    """A ``pointsEarnedBreakup``, which has no list of promotions."""
    return {"regular": regular, "promised": []}


def currency(name: str, earning: Earning) -> dict[str, Any]:
    """An item of ``alternateCurrencyValueEarned``."""
    return _currency(name) | earned([earning.regular()])


def currency_breakdown(name: str, earning: Earning) -> dict[str, Any]:
    """An item of ``alternateCurrencyValueEarnedBreakup``."""
    return _currency(name) | broken_down([earning.breakdown(action=False, promotion=False)])


def _currency(name: str) -> dict[str, Any]:
    return {"alternateCurrencyName": name, "alternateCurrencyIdentifier": f"harbour-{name.lower()}"}
