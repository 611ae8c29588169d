"""Dialects as pure translation: a request to an HTTP request, bytes to events, a failure to a fault."""
