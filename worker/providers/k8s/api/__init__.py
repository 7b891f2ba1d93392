"""The client of one API server, from connections to decoded responses."""
