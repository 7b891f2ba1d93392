"""Controllers: found, scaled, deleted, and traced from their pods."""
