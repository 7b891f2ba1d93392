"""What gateway, workers and producers agree on."""
