"""TLS on the gateway's port: certificates, client certificates, and the bytes of a connection."""
