"""Gateways, and the HTTPRoute of a route plan."""
