"""The parts of audit records and dead letters."""
