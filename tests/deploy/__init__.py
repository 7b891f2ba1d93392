"""Tests of the two commands and of the private broker."""
