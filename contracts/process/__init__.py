"""The start of a process: its variables, its command line, and files that are read again."""
