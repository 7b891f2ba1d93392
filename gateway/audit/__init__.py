"""The audit of commands: search, stories of commands, and the records as they arrive."""
