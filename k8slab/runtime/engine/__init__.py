"""What the docker runtime is made of: `runtime/docker.py` puts these together, and nobody else opens them."""
