"""The teaching kit: a lesson's guesses, exercises with checks, hints, quizzes, and the memory of what was done.

`lesson.py` is what a notebook holds; `checks.py` is what the author of an exercise writes with. A lesson's sentences
come from its words file (`words.py`), its cluster is a Lab, and its cards (`cards.py`) are views like the board.
"""

from k8slab.teach.checks import Ask, check

__all__ = ["Ask", "check"]
