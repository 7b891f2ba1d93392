"""Three RabbitMQ nodes, of which one is killed, stopped or frozen."""
