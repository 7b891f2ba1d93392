"""Tests of `deploy/up`, `deploy/test` and the private broker."""
