"""Runs containers: one protocol (`base.py`), kept by `local.py` with processes and by `simulated.py` with records."""
