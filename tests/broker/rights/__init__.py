"""Tests that the rights of the broker's users are exactly those that the processes use."""
