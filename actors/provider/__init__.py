"""One configured provider: its account, its attempts, and what its failures mean."""
