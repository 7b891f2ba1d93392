"""The OpenAPI and AsyncAPI documents: their generators, and beside them the generated files."""
