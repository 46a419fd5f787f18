"""`python -m k8slab.vm -- uname -r`: boot a machine, run one command in it, power it off. `--fetch` gets a kernel."""

from __future__ import annotations

import shlex
import sys

from k8slab import vm
from k8slab.settings import LabError

USAGE = "python -m k8slab.vm -- COMMAND ...   boots a virtual machine and runs the command in it\n\
python -m k8slab.vm --fetch          unpacks the distribution's kernel into your cache, once"


def main(arguments: list[str]) -> int:
    """Do it; the exit code is the command's."""
    if arguments == ["--fetch"]:
        print(vm.fetch())
        return 0
    command = arguments[1:] if arguments[:1] == ["--"] else arguments
    if not command or command[0].startswith("-"):
        print(USAGE, file=sys.stderr)
        return 2
    with vm.boot() as machine:
        answer = machine.run(shlex.join(command))
        print(answer)
        print(machine, file=sys.stderr)
    return answer.exit_code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except LabError as error:
        sys.exit(str(error))
