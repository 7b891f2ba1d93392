"""A stand-in for AWS: moto's server, corrected where it answers otherwise than AWS does."""
