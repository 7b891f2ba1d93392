"""HTTP in, AMQP out: a gateway holds no platform credentials and no durable state."""
