"""Run the command ``capledger`` as ``python -m capledger``."""

from __future__ import annotations

from capledger.cli import main

if __name__ == "__main__":
    main()
