"""Who starts whom, and what happens when one ends: decided purely in `restart.py`, done in `supervisor.py`, drawn in `tree.py`."""
