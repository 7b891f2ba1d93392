"""Commands that start machinist and test it, with a private broker and a sandbox."""
