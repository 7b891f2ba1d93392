"""JSON Web Tokens of one issuer, and the keys that it publishes."""
