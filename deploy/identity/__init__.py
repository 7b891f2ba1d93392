"""Worked examples of identity, and the JSON schema of a rights file."""
