"""The calls of a gateway: operations that it publishes, and the replies for which it waits."""
