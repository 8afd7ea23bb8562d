"""``python -m capledger`` is the command ``capledger``."""

from __future__ import annotations

from capledger.cli import main

if __name__ == "__main__":
    main()
