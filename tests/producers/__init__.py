"""The page for producers and auditors: all of its examples are run."""
