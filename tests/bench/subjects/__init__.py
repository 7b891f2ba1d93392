"""What is under measurement: processes, and objects in a cluster."""
