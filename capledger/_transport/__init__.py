"""Sending: attempts, retries, the rate limit, and the only HTTP client."""
