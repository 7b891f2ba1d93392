"""What starts machinist and tests it: the two commands, a private broker, a sandbox."""
