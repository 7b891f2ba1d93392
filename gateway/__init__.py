"""HTTP in, AMQP out: gateways hold no platform credentials and no state that matters."""
