"""Container images: their build, bill of materials and health check."""
