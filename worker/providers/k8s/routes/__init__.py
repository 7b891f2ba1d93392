"""Gateways, and the HTTPRoute that implements a route plan."""
