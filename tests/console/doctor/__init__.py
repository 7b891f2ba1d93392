"""Tests of `machinist doctor`."""
