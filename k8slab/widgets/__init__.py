"""What a learner sees and presses: views that follow the cluster through its HTTPS API, and act through it.

`base.py` is the life of every view, `board.py` the first of them. `lab.py` is next door: it shows a view and owns none.
"""
