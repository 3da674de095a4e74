"""The pre-edge of O K."""
