"""The tests. A package, so that `from tests.story...` finds ours whatever else is installed; the folders in it need no `__init__.py`."""
