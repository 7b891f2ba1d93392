"""AWS accounts that somebody has: finds out how they are reached, and attaches workers to them."""
