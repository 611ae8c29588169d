"""Which provider a request goes to."""
