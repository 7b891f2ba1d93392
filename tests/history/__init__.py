"""Thousands of commands under failures, with a check of promises 2, 5 and 7."""
