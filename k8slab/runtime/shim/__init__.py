"""The one process that holds a lab's containers and outlives its server: what containerd and its shims are to a node.

`../shimclient.py` runs this folder as `python -I -S -E shim <state folder> <lab>`. Nothing in here imports k8slab, so
that it starts fast, stays small, and no mistake in the server reaches it: `keeper.py` starts processes (`spawn.py`),
carries their output into log files (`log.py`), reaps them (`reap.py`) and remembers how they ended, until it is told
to forget. It decides nothing: what fences a container gets stands in the command line that `../local.py` hands over.

The wire (`link.py`) is a Unix socket in the state folder, one JSON object a line. A request has `id` and `op`; its
answer repeats the `id` with `ok` or `error`. `{"event": "exit", ...}` comes unasked. File descriptors for an exec's
streams travel beside their request (SCM_RIGHTS).
"""
