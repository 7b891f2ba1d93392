"""AMQP in, a platform out: workers run where the platform is and dial out to the broker."""
