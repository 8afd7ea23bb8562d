"""A model of the remote ledger service that shares no code with capledger, and a runner of walks over it."""
