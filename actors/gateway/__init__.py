"""The front door: OpenAI-compatible HTTP, and the exchanges behind it."""
