"""What gateway, workers and producers agree on; knows neither of them."""

VERSION = "0.1.0"
"""Of all processes together: they are released as one."""

CONTRACT = 1
"""Of the messages: raised when an older worker could misread a newer message."""
