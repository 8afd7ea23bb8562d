"""What capledger costs, beside every other way to do the same, in one run: ``python -m benchmarks``."""
