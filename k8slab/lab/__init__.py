"""What a lesson holds: `Lab`, a cluster seen through its HTTPS API and the real kubectl.

`lab.py` is the whole of it for a reader; the other files are what it needs. Widgets and checks are built upon it.
"""

from k8slab.lab.lab import Lab

__all__ = ["Lab"]
