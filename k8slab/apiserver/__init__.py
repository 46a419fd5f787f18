"""HTTP and the verbs: where a `kubectl apply` arrives, is checked, written, and told to everybody who watches."""
