"""How the parts inside, and the lessons outside, speak to the API."""
