"""Identity: who sent a request, whether its sender has the right to it, and records of refusals."""
