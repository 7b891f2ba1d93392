"""Tests with a cluster of three RabbitMQ nodes, of which one is killed, stopped or frozen."""
