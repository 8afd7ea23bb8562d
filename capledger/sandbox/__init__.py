"""
A points-ledger service on loopback, for tests and for the demo.

It shares no code with the rest of the package, so that a mistake in one shows against the other.
"""

from capledger.sandbox.customers import SandboxCustomer, SandboxGroup
from capledger.sandbox.demo import DEMO_CHILD_ORG, DEMO_END, DEMO_MOBILE, DEMO_START
from capledger.sandbox.faults import Fault, FaultContext, FaultScript
from capledger.sandbox.proxy import ProxiedRequest, SandboxProxy
from capledger.sandbox.request_log import LoggedRequest, busiest_minute
from capledger.sandbox.rows import entry_detail, make_member, make_row
from capledger.sandbox.rules import Rules
from capledger.sandbox.seeds import EVENT_NAMES, add_twins, seed_rows
from capledger.sandbox.server import Sandbox
from capledger.sandbox.stores import STORES, Store
from capledger.sandbox.synthetic import SyntheticLedger, synthetic_rows

__all__ = [
    "DEMO_CHILD_ORG",
    "DEMO_END",
    "DEMO_MOBILE",
    "DEMO_START",
    "EVENT_NAMES",
    "STORES",
    "Fault",
    "FaultContext",
    "FaultScript",
    "LoggedRequest",
    "ProxiedRequest",
    "Rules",
    "Sandbox",
    "SandboxCustomer",
    "SandboxGroup",
    "SandboxProxy",
    "Store",
    "SyntheticLedger",
    "add_twins",
    "busiest_minute",
    "entry_detail",
    "make_member",
    "make_row",
    "seed_rows",
    "synthetic_rows",
]
