"""The command path: partition queues in, commands in publish order out, outcomes recorded."""
