"""Tests of the contract of gateway, workers and producers."""
