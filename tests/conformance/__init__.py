"""The responses of a whole stack against the OpenAPI document, for each kind of identity."""
