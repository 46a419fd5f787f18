"""What a learner sees and presses: views that follow the cluster through its HTTPS API, and act through it.

`base.py` is the life of every view, `watching.py` gives it a cluster; `stage.js`, `marks.js`, `keys.js` and
`timeline.js` are what their scripts stand upon. `board.py` is the first. `lab/` is next door: it shows a view and owns
none.
"""
