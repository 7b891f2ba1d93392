"""Identity: authentication, rights, and the audit of refused requests."""
