"""What every process needs at its start: variables, command line, renewed files."""
