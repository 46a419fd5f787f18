"""Objects, revisions, watch: `memory.py` and `sqlite.py` behind the protocol of `base.py`. Only apiserver opens it."""
