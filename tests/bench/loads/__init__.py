"""Load generators, and meters of CPU time and messages."""
