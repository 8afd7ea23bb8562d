"""
A points-ledger service on loopback, for tests and for the demo.

It shares no code with the rest of the package, so that it cannot share its mistakes.
"""

from capledger.sandbox.customers import STORES, SandboxCustomer, SandboxGroup, Store
from capledger.sandbox.demo import DEMO_CHILD_ORG, DEMO_END, DEMO_MOBILE, DEMO_START
from capledger.sandbox.request_log import LoggedRequest, busiest_minute
from capledger.sandbox.rows import entry_detail, make_member, make_row
from capledger.sandbox.rules import Rules
from capledger.sandbox.seeds import EVENT_NAMES, seed_rows
from capledger.sandbox.server import Sandbox
from capledger.sandbox.synthetic import LazyLedger, lazy_rows
from capledger.sandbox.turns import Fault, FaultScript, Turn

__all__ = [
    "DEMO_CHILD_ORG",
    "DEMO_END",
    "DEMO_MOBILE",
    "DEMO_START",
    "EVENT_NAMES",
    "STORES",
    "Fault",
    "FaultScript",
    "LazyLedger",
    "LoggedRequest",
    "Rules",
    "Sandbox",
    "SandboxCustomer",
    "SandboxGroup",
    "Store",
    "Turn",
    "busiest_minute",
    "entry_detail",
    "lazy_rows",
    "make_member",
    "make_row",
    "seed_rows",
]
