"""The measured processes, and the measured objects in a cluster."""
