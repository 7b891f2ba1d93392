"""IAM: an identity-based policy, and the rights that AWS checks for a request."""
