"""Behaviour that only shows with a real RabbitMQ between real processes."""
