"""One file a controller: key, read, compare, act, status."""
