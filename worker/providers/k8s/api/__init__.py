"""The client of one API server, from sockets to decoded answers."""
