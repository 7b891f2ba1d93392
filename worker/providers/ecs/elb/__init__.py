"""Elastic Load Balancing: the rules of a listener and the target groups of services."""
