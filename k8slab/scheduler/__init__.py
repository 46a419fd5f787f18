"""Which node a pod runs on: `loop.py` takes pods from `queue.py`, `decide.py` asks `filters.py` and `scores.py`."""
