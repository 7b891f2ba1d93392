"""Finds RabbitMQ, installs it if it is missing, and runs private nodes."""
