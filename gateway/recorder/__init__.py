"""The recorder: publishes the outcomes of commands that no worker could report."""
