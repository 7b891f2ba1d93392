"""The all-in-one image: a broker, a gateway and a worker under one supervisor."""
