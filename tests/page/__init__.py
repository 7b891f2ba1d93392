"""Tests of the live page without a broker and without a browser."""
