"""How a RabbitMQ is found, installed where there is none, and run as a private node."""
