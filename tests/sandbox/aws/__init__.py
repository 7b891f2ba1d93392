"""The sandbox of AWS, tested with AWS's own client over a socket."""
