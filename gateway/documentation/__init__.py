"""The OpenAPI and AsyncAPI documents over HTTP, and a page of each for people."""
