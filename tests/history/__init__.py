"""Thousands of commands under every kind of failure, and the proof that each promise was kept."""
