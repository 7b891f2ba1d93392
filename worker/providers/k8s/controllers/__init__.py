"""Lookup, scaling and deletion of controllers."""
