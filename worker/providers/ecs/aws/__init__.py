"""Requests to AWS: client, credentials, rates, retries, errors and answers."""
