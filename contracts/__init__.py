"""The contract of gateway, workers and producers; imports none of them."""

VERSION = "0.1.0"
"""The version of the package: gateway and worker are released together."""

CONTRACT = 1
"""The version of the messages, raised when an older worker could misread a newer message."""
