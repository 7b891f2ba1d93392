"""Tests of the audit's search: filters and merging without a broker, positions on a real stream."""
