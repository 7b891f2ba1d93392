"""Tests of the container images, their build and their supervisor."""
