"""What the command line reads from its words, and prints."""
