"""The live page: workers, queues, what waits longest, the latest outcomes, and the audit."""
