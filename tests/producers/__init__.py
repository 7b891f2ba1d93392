"""The page for producers and auditors, and its examples: everything in it is run."""
