"""Where Python enters when it runs this folder. The modules beside it are compiled once; this one each time."""

import os
import sys

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
__import__("shim.daemon", fromlist=["main"]).main(*sys.argv[1:3])
