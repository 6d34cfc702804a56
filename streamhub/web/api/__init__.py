"""The API described, from the same tables for HTTP (OpenAPI) and for what is pushed (AsyncAPI)."""
