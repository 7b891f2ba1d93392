"""Replacement of running gateways and workers, also by other versions, under load."""
