"""A Service's address: `proxy.py` opens it, `forward.py` carries the bytes, `balance.py` chooses the pod."""
