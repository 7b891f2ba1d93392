"""The OpenAPI and AsyncAPI documents: their generators and the generated files."""
