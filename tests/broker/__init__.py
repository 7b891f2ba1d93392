"""Tests with a real RabbitMQ between real processes."""
