"""Medians, ratios and goals; as text and as a plot."""
