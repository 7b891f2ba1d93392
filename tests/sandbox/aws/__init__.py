"""What the stand-in for AWS does as AWS does, seen by AWS's own client over a socket."""
