"""Identity: authentication of requests, rights of their subjects, and records of refusals."""
