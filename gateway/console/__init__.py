"""The operators' command line: routing keys, the audit, and what is dead."""
