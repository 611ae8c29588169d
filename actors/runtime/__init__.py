"""The kernel: what runs an actor. It knows asyncio and pykka; what an actor does is in the folders beside it."""
