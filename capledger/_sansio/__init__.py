"""Everything between a query and bytes, and back; no I/O."""
