"""From a wish to an order: the command line, environment, files and limits with which the shim starts a container.

Two ways: behind bubblewrap's fences with a root of its own, or, where there are none, as a process that finds its
image in its working folder. `local.py` calls it with what `isolation.py` and `cgroups.py` found; `shim/` obeys.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from k8slab.runtime.base import ContainerSpec, Mount, PodConfig, RuntimeFailure
from k8slab.runtime.images import Image
from k8slab.runtime.isolation import Isolation
from k8slab.runtime.layers import spread

SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
SETTINGS = (  # of this machine's /etc: what programs need to find libraries, trust servers and tell the time, no more
    "alternatives", "ca-certificates", "ca-certificates.conf", "crypto-policies", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "localtime", "mime.types", "pki", "protocols", "services", "ssl", "terminfo",
)  # fmt: skip
FOLDERS = ("tmp", "etc", "root", "var", "var/tmp", "run")  # that every system has
WITHOUT_ROOT = (  # what more a program meets that finds itself in this machine's root
    "passwd", "group", "nsswitch.conf", "hosts", "hostname", "host.conf", "gai.conf", "resolv.conf", "python3*",
)  # fmt: skip
OF_MACHINE = ("/proc", "/sys", "/opt", "/nix")
DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm")
POD_FILES = ("hosts", "hostname", "resolv.conf")  # shared by a pod's containers
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LIMITS = {"RLIMIT_CORE": 0, "RLIMIT_NOFILE": 65536, "RLIMIT_FSIZE": 2 << 30}
PROCESSES = 512  # a container's; where the kernel counts the whole user's, twice as many more than the user has now
TASKS = 256  # the same, where the shim counts: five hundred that fork all the time would leave the lab no time
LONGEST = 11  # characters of a pod's name: the kernel keeps fifteen of a process's
WALL = 1 << 30  # bytes above a memory limit that is kept by looking


@dataclass(frozen=True)
class Place:
    """Where a container lives on this machine."""

    folder: Path  # its own: `root` and `log`
    pod: Path  # its pod's: `etc`

    @property
    def root(self) -> Path:
        return self.folder / "root"

    @property
    def log(self) -> Path:
        return self.folder / "log"


def prepare_pod(folder: Path, pod: PodConfig, address: str, *, own_network: bool = False) -> None:
    """The files every container of a pod sees."""
    etc = folder / "etc"
    etc.mkdir(parents=True, exist_ok=True)
    write_hosts(folder, pod, address, pod.hosts, own_network=own_network)
    (etc / "hostname").write_text(pod.hostname + "\n")
    resolver = Path("/etc/resolv.conf")
    of_machine = resolver.read_text() if resolver.exists() else ""
    (etc / "resolv.conf").write_text(of_machine if pod.resolver is None else pod.resolver)


def write_hosts(folder: Path, pod: PodConfig, address: str, more: str, *, own_network: bool = False) -> None:
    """The pod's /etc/hosts. Written in place: containers have this very file mounted.

    `localhost` is the pod's address: it is where its containers meet if 127.0.0.1 is the machine's. If it is the
    pod's, `localhost` is that as well, and first: programs try one after the other.
    """
    full = f"{pod.hostname}.{pod.domain}\t" if pod.domain else ""
    local = "127.0.0.1\tlocalhost\n" if own_network else ""
    names = f"{local}{address}\tlocalhost\n{address}\t{full}{pod.hostname}\n"
    text = f"# Kubernetes-managed hosts file.\n{names}{more}".encode()
    file = os.open(folder / "etc" / "hosts", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.pwrite(file, text, 0)
        os.ftruncate(file, len(text))
    finally:
        os.close(file)


def order(
    spec: ContainerSpec, image: Image, pod: PodConfig, address: str, place: Place, isolation: Isolation, kept: Set[str]
) -> dict[str, Any]:
    """What the shim is asked to start. `kept` are the limits that control groups keep; the others are kept from here.

    Raises RuntimeFailure when there is nothing to run, or no such program in the image.
    """
    refuse_root(spec, image.config.user, pod)
    lay_out(image, place.root)
    argv = [*(spec.command or image.config.entrypoint), *(spec.args or (() if spec.command else image.config.command))]
    if not argv:
        raise RuntimeFailure(
            "CreateContainerError", f'no command specified: neither by the container nor by "{spec.image}"'
        )
    env = environment(spec, image, pod, address)
    workdir = spec.workdir or image.config.workdir or "/"
    make_folder(place.root, workdir)
    common = {"id": spec.id, "log": str(place.log), "tty": spec.tty, "stdin": spec.stdin}
    common |= {"contained": "pid" in isolation.fences, "fenced": bool(isolation.bubblewrap)}
    common |= {"filtered": "calls" in isolation.guards}
    common |= limits(spec, isolation, kept)
    if not isolation.bubblewrap:
        walled = {"walls": walls(spec, place)} if isolation.landlock else {}
        bare = without_fences(spec, argv, env, workdir, place)
        return common | walled | bare | named(pod.name, bare["argv"][0], bare["env"]["PATH"], place)
    find_program(argv[0], env["PATH"], workdir, place.root, spec.mounts)
    if spec.tty and shutil.which("setsid"):  # the terminal is to be that of a session inside, or a shell cannot use it
        argv = ["setsid", "--ctty", *argv]
    title = f"k8slab-container:{pod.namespace}/{pod.name}/{spec.name}"
    options = fences(spec, image, pod, place, isolation, workdir)
    return common | {
        "argv": argv, "env": env, "cwd": workdir, "title": title, "bubblewrap": isolation.bubblewrap, "options": options
    }  # fmt: skip


def lay_out(image: Image, root: Path) -> None:
    """The image's layers over each other, and the folders every system has: in this root, wherever a link may lead."""
    spread(image.layers, root)
    for name in FOLDERS:
        if (root / name).is_symlink():
            (root / name).unlink()
        make_folder(root, name)
    for name in ("tmp", "var/tmp"):
        (root / name).chmod(0o1777)


def make_folder(root: Path, path: str) -> None:
    """Have a folder in a root, without going through a link; what lies behind one is for the container to find."""
    for part in os.path.normpath(f"/{path}").strip("/").split("/"):
        root = root / part
        if root.is_symlink():
            return
        root.mkdir(exist_ok=True)


def environment(spec: ContainerSpec, image: Image, pod: PodConfig, address: str) -> dict[str, str]:
    """Nothing of ours: the image's, what the pod should know of itself, the manifest's word last, and the mark."""
    env = {
        "PATH": DEFAULT_PATH,
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "HOSTNAME": pod.hostname,
        "POD_IP": address,
        "NODE_NAME": pod.node,
    }
    env |= {"TERM": "xterm"} if spec.tty else {}
    return env | dict(image.config.env) | dict(spec.env) | {"K8SLAB_CONTAINER": spec.id}


def limits(spec: ContainerSpec, isolation: Isolation, kept: Set[str]) -> dict[str, Any]:
    """Those the kernel keeps for each process, and, for what no control group keeps, the next best."""
    early, late, asked = dict(LIMITS), dict[str, int](), dict[str, Any]()
    if "pids" not in kept and "user" in isolation.fences:  # a user namespace's are counted by themselves, once inside
        late["RLIMIT_NPROC"] = PROCESSES
    elif "pids" not in kept:  # all of the user's are counted, in whatever container
        early["RLIMIT_NPROC"] = processes_of_user() + 2 * PROCESSES  # who has not forked has to have a place, too
    if "pids" not in kept or "pid" not in isolation.fences:
        asked["tasks"] = TASKS
    if "memory" not in kept and spec.memory:  # the shim looks, and kills; the wall is for who is faster than it looks
        asked["memory"] = spec.memory
        early["RLIMIT_DATA"] = spec.memory + WALL
    return asked | {"limits": early, "late_limits": late}


def processes_of_user() -> int:
    """How many processes and threads this user has: RLIMIT_NPROC counts them all, in whatever container."""
    count = 0
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{name}").st_uid == os.getuid():
                count += os.stat(f"/proc/{name}/task").st_nlink - 2
        except OSError:
            continue
    return count


# behind fences


def fences(
    spec: ContainerSpec, image: Image, pod: PodConfig, place: Place, isolation: Isolation, workdir: str
) -> list[str]:
    """bubblewrap's options: a root of its own, with this machine's programs, read-only, and nothing else of it."""
    options = [*isolation.options, "--die-with-parent", "--cap-drop", "ALL"]
    options += ["--as-pid-1"] if "pid" in isolation.fences else []  # signals reach it directly, as in any container
    options += ["--hostname", pod.hostname] if "uts" in isolation.fences else []
    uid, name = user_of(spec, image.config.user)
    options += ["--uid", uid, "--gid", uid] if "user" in isolation.fences else []
    write_users(place.root, uid, name)
    options += ["--bind", str(place.root), "/"]
    options += [word for pair in system(place.root) for word in ("--ro-bind", *pair)]
    if image.config.python and not sys.base_prefix.startswith("/usr"):
        options += ["--ro-bind", sys.base_prefix, sys.base_prefix]
    for name in POD_FILES:
        options += ["--ro-bind", str(place.pod / "etc" / name), f"/etc/{name}"]
    options += ["--proc", "/proc"] if isolation.proc else ["--tmpfs", "/proc"]
    options += ["--dev", "/dev"]
    for mount in spec.mounts:
        options += ["--ro-bind" if mount.read_only else "--bind", mount.source, mount.target]
    options += ["--remount-ro", "/"] if spec.read_only else []  # last: the places to mount at have to be made
    return [*options, "--chdir", workdir]


def user_of(spec: ContainerSpec, of_image: str) -> tuple[str, str]:
    """The number of the user it runs as, and its name or that number. `of_image`: what the image says, as USER does."""
    if spec.user is not None:
        return str(spec.user), str(spec.user)
    name = of_image.partition(":")[0]
    return (name if name.isdigit() else "1000" if name not in ("", "root") else "0"), name


def refuse_root(spec: ContainerSpec, of_image: str, pod: PodConfig) -> None:
    """`runAsNonRoot` is kept by refusing, in the kubelet's words (kuberuntime/security_context.go). RuntimeFailure."""
    uid, name = user_of(spec, of_image)
    if not spec.non_root or (uid != "0" and name.isdigit()):
        return
    if spec.user == 0:
        why = "container's runAsUser breaks non-root policy"
    elif uid == "0":
        why = "container has runAsNonRoot and image will run as root"
    else:
        why = f"container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
    who = f'(pod: "{pod.name}_{pod.namespace}({pod.uid})", container: {spec.name})'
    raise RuntimeFailure("CreateContainerConfigError", f"{why} {who}")


def write_users(root: Path, uid: str, name: str) -> None:
    """Who there is, inside."""
    user = f"{name if not name.isdigit() else 'user'}:x:{uid}:{uid}::/:/bin/sh\n" if uid != "0" else ""
    group = f"{name if not name.isdigit() else 'user'}:x:{uid}:\n" if uid != "0" else ""
    for file, text in {
        "passwd": f"root:x:0:0:root:/root:/bin/sh\n{user}nobody:x:65534:65534:nobody:/:/bin/false\n",
        "group": f"root:x:0:\n{group}nogroup:x:65534:\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n",
    }.items():
        if not os.path.lexists(root / "etc" / file):
            (root / "etc" / file).write_text(text)


def system(root: Path) -> Iterator[tuple[str, str]]:
    """What of this machine is to be seen, and where: the same place, but around what the image has of its own."""
    for name in SYSTEM:
        path = Path("/", name)
        if path.is_symlink():  # /lib -> usr/lib, as on every system since the merge
            if not os.path.lexists(root / name):
                (root / name).symlink_to(path.readlink())
        elif path.is_dir():
            yield from around(path, root)
    for name in SETTINGS:
        if Path("/etc", name).exists() and not os.path.lexists(root / "etc" / name):
            yield f"/etc/{name}", f"/etc/{name}"


def around(path: Path, root: Path) -> Iterator[tuple[str, str]]:
    """The folder, or if the image has it as well, what is in it and not in the image's."""
    own = root / path.relative_to("/")
    if not os.path.lexists(own):
        yield str(path), str(path)
    elif own.is_dir() and not own.is_symlink() and path.is_dir():
        for child in path.iterdir():
            yield from around(child, root)


def find_program(name: str, path: str, workdir: str, root: Path, mounts: Sequence[Mount]) -> None:
    """Raise RuntimeFailure, in the words of a container runtime, if a program is not in the image."""
    folders = [""] if "/" in name else path.split(":")
    for folder in folders:
        inside = os.path.join(workdir if folder == "" else "/", folder, name)
        mounted = any(inside.startswith(mount.target.rstrip("/") + "/") for mount in mounts)
        visible = inside.split("/")[1] in SYSTEM or inside.startswith(sys.base_prefix)
        if mounted or os.path.lexists(root / inside.lstrip("/")) or (visible and os.path.exists(inside)):
            return
    where = "no such file or directory" if "/" in name else "executable file not found in $PATH"
    raise RuntimeFailure("RunContainerError", f'exec: "{name}": {where}')


# without


def without_fences(
    spec: ContainerSpec, argv: Sequence[str], env: dict[str, str], workdir: str, place: Place
) -> dict[str, Any]:
    """The same as near as it comes: words that are paths of the image or a volume become paths of this machine."""
    root = place.root
    for mount in spec.mounts:
        link = root / mount.target.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        if link.is_dir() and not link.is_symlink():
            shutil.rmtree(link)
        if not os.path.lexists(link):
            link.symlink_to(mount.source)

    path = ":".join(part for folder in env["PATH"].split(":") for part in dict.fromkeys([here(folder, root), folder]))
    env = {name: here(value, root) for name, value in env.items()} | {"PATH": path, "TMPDIR": str(root / "tmp")}
    words = [here(word, root) for word in argv]
    return {"argv": words, "env": env, "cwd": str(root / workdir.lstrip("/")), "root": str(root)}


def named(pod: str, program: str, path: str, place: Place) -> dict[str, str]:
    """Start it through a link, so that `ps` and `top` call the process after its pod: there is no bubblewrap to do so.

    Its own words stay as they are. A script is left alone: it would find itself under the link's name.
    """
    found = shutil.which(program, path=path)
    if found is None or not os.path.isabs(found) or not os.access(found, os.R_OK):
        return {}
    with open(found, "rb") as file:
        if file.read(4) != b"\x7fELF":
            return {}
    link = place.folder / (f"k8s:{pod}" if len(pod) <= LONGEST else f"k8s:{pod[:5]}-{pod[-5:]}")
    link.unlink(missing_ok=True)
    link.symlink_to(found)
    return {"program": str(link)}


def here(word: str, root: Path) -> str:
    """A path of a container without fences, as a path of this machine; any other word as it is."""
    own = root / word.lstrip("/")
    return str(own) if word.startswith("/") and word != "/" and os.path.lexists(own) else word


def walls(spec: ContainerSpec, place: Place) -> dict[str, list[str]]:
    """What it may open where Landlock keeps it from all else: this machine's programs, its own files, its volumes."""
    settings = [str(path) for name in (*SETTINGS, *WITHOUT_ROOT) for path in Path("/etc").glob(name)]
    programs = [*(f"/{name}" for name in SYSTEM), *OF_MACHINE, sys.base_prefix]
    volumes = {read_only: [m.source for m in spec.mounts if m.read_only is read_only] for read_only in (True, False)}
    own = [str(place.root), *(f"/dev/{name}" for name in DEVICES)]
    return {"reading": [*programs, *settings, *volumes[True]], "writing": [*own, *volumes[False]]}
