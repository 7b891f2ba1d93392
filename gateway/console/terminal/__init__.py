"""The words and the output of the command line."""
