"""Objects, revisions, watch: `memory.py` and `sqlite.py` behind the one protocol of `base.py`. Only apiserver opens it."""
