"""Machines made on the spot: each a network namespace on a bridge, with its own name, processes, home and sshd.

Needs root, iproute2, util-linux, openssh-server and rsync. Their traffic stays on the bridge, which has no way out.
"""

import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = ("ip", "unshare", "sshd", "ssh", "ssh-keygen", "rsync")
BRIDGE = "racray0"
NETWORK = "10.213.77"
SSHD = """
Port 22
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PasswordAuthentication no
UsePAM no
StrictModes no
PidFile none
"""
BOOT = """
set -e
hostname {name}
mkdir -p {root}/root {root}/run/sshd
for seen in {shared} {root} {python}; do
  mkdir -p {root}$seen
  mount --bind $seen {root}$seen
done
mount --rbind {root}/root /root
mount --bind {root}/run /run
mount -t tmpfs -o size=2g none /dev/shm
mount --rbind {root}/tmp /tmp
cd /
/usr/sbin/sshd -D -f {root}/sshd_config &
while true; do wait -n || sleep 0.2; done
"""
"""What a machine's first process does: hides /root, /run and /tmp but for what must be seen, and waits for orphans."""
UP_SECONDS = 20


@dataclass(frozen=True)
class Host:
    """One machine."""

    name: str
    address: str
    process: "subprocess.Popen[bytes]"
    """Outside of the machine: with it all that runs in the machine ends."""

    def processes(self) -> list[str]:
        """Command lines of what runs in the machine, its first process and its SSH server apart."""
        inside = _network_of(self.process.pid)
        found = [(pid, line) for pid, line in _command_lines() if _network_of(pid) == inside]
        return [line for pid, line in found if _own_pid(pid) not in ("", "1") and not line.startswith("sshd: ")]


def cannot() -> str:
    """Why machines cannot be made here; nothing where they can."""
    if os.geteuid() != 0:
        return "only root can make network namespaces"
    missing = [program for program in PROGRAMS if shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    tried = subprocess.run(["ip", "netns", "add", "racray-try"], capture_output=True, text=True, check=False)
    if tried.returncode:
        return f"no network namespaces here: {tried.stderr.strip()}"
    _run("ip netns delete racray-try")
    return ""


@contextmanager
def hosts(count: int, folder: Path, shared: Path, public_key: Path) -> Iterator[list[Host]]:
    """So many machines that take the key and see ``shared`` at its own path; ``folder`` and it lie below /tmp."""
    with ExitStack() as stack:
        _run(f"ip link add {BRIDGE} type bridge")
        stack.callback(_run, f"ip link delete {BRIDGE}")
        _run(f"ip address add {NETWORK}.1/24 dev {BRIDGE}")
        _run(f"ip link set {BRIDGE} up")
        made = [_host(stack, number, folder, shared, public_key) for number in range(count)]
        for host in made:
            _wait_for_ssh(host)
        yield made


def _host(stack: ExitStack, number: int, folder: Path, shared: Path, public_key: Path) -> Host:
    name, address, device = f"racray-{number}", f"{NETWORK}.{10 + number}", f"racray-v{number}"
    root = folder / name
    (root / "tmp").mkdir(parents=True)
    _run(f"ssh-keygen -q -t ed25519 -N '' -f {root}/host_key")
    shutil.copy(public_key, root / "authorized_keys")
    (root / "sshd_config").write_text(SSHD.format(address=address, folder=root))
    _run(f"ip netns add {name}")
    stack.callback(_run, f"ip netns delete {name}")
    _run(f"ip link add {device} type veth peer name eth0 netns {name}")
    stack.callback(_run, f"ip link delete {device}")
    _run(f"ip link set {device} master {BRIDGE} up")
    # Ray takes the address of the device with the default route; this one ends at the bridge.
    for command in (
        "link set lo up",
        f"address add {address}/24 dev eth0",
        "link set eth0 up",
        "route add default dev eth0",
    ):
        _run(f"ip -n {name} {command}")
    boot = BOOT.format(name=name, root=root, shared=shared, python=sys.base_prefix)
    isolated = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc", "--kill-child", "bash", "-c"]
    log = stack.enter_context((root / "boot.log").open("wb"))
    process = subprocess.Popen(["ip", "netns", "exec", name, *isolated, boot], stdout=log, stderr=log)
    stack.callback(process.wait)
    stack.callback(process.kill)
    return Host(name, address, process)


def _wait_for_ssh(host: Host) -> None:
    deadline = time.monotonic() + UP_SECONDS
    while host.process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((host.address, 22), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{host.name} does not come up")


def _network_of(pid: int) -> str | None:
    """Of a process; None when it has ended."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net")  # noqa: PTH115
    except OSError:
        return None


def _own_pid(pid: int) -> str:
    """What a process is called in its machine; empty outside of them, or when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""
    *outer, own = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
    return own if len(outer) > 1 else ""


def _command_lines() -> Iterator[tuple[int, str]]:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue
        if line:
            yield int(folder.name), line


def _run(command: str) -> None:
    subprocess.run(shlex.split(command), check=True, capture_output=True)
