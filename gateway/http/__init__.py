"""HTTP on sockets: the server, its protocol, its limits on clients, and the orderly close."""
