"""Processes for untrusted input: started with a bare environment, then shut in by `confine`.

A plain spawned child inherits every secret of its parent's environment and imports the parent's `__main__` again;
`BareContext` starts one that does neither, so a caller needs no `if __name__ == "__main__"` guard.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing import popen_spawn_posix, reduction, resource_tracker, spawn, util
from multiprocessing.context import SpawnContext, SpawnProcess, set_spawning_popen
from multiprocessing.process import BaseProcess
from typing import Any

from pipeline.config import Limits

ALLOWED = ("PATH", "HOME", "LANG", "TMPDIR", "TZ", "VIRTUAL_ENV", "LD_LIBRARY_PATH")
ALLOWED_PREFIXES = ("LC_", "PYTHON")
FIXED = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",  # every further arena reserves 64 MB of address space
    "DO_NOT_TRACK": "1",
    "SCARF_NO_ANALYTICS": "1",
    "UNSTRUCTURED_DISABLE_NOTICE": "1",
}
NETWORK_EVENTS = frozenset(
    {"socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"}
)
CLONE_NEWNET, CLONE_NEWUSER = 0x40000000, 0x10000000
PR_SET_PDEATHSIG = 1


def bare_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The allow-listed part of an environment, one thread a library, and no telemetry."""
    kept = {k: v for k, v in environment.items() if k in ALLOWED or k.startswith(ALLOWED_PREFIXES)}
    return kept | FIXED


def confine(limits: Limits, parent: int) -> None:
    """Shut the calling process in: memory, network, priority; it dies with the thread that started it.

    What the system does not offer is left out, never an error: an initialiser that fails would be started for ever.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a Python handler would not run while native code does
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.nice(5)
    _cap_memory(limits.memory_mb << 20)
    _bar_network()
    _die_with_parent(parent)


def _cap_memory(size_bytes: int) -> None:
    with contextlib.suppress(OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        cap = size_bytes if hard == resource.RLIM_INFINITY else min(size_bytes, hard)
        resource.setrlimit(resource.RLIMIT_AS, (cap, cap))


def _bar_network() -> None:
    """No route out of the process where the kernel allows that; no Internet socket from Python in any case."""
    unshare = getattr(ctypes.CDLL(None, use_errno=True), "unshare", None)
    if unshare is not None and unshare(CLONE_NEWNET) != 0:  # root; keeps its rights on files
        unshare(CLONE_NEWUSER | CLONE_NEWNET)  # everybody else
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in NETWORK_EVENTS:
        return
    family = getattr(arguments[0], "family", None)
    if family is None or family.name != "AF_UNIX":
        raise PermissionError(f"{event} is refused: a parser has no network")


def _die_with_parent(parent: int) -> None:
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # after unshare, which clears it
    if os.getppid() != parent:
        os._exit(0)


class _BarePopen(popen_spawn_posix.Popen):
    """The standard library's spawn, but with an environment of our own and without the caller's `__main__`."""

    _fds: list[int]
    _child: subprocess.Popen[bytes]

    def _launch(self, process_obj: BaseProcess) -> None:
        tracker_fd = resource_tracker.getfd()
        assert tracker_fd is not None
        parcel = self._pack(process_obj)
        parent_r, child_w = os.pipe()
        child_r, parent_w = os.pipe()
        self.sentinel = parent_r
        self.finalizer = util.Finalize(self, _close, (parent_r, parent_w))
        try:
            self._child = subprocess.Popen(
                spawn.get_command_line(tracker_fd=tracker_fd, pipe_handle=child_r),
                executable=os.fsdecode(spawn.get_executable()),
                env=bare_environment(os.environ),
                pass_fds=[*self._fds, tracker_fd, child_r, child_w],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,  # libraries complain about hostile files at length
            )
        finally:
            _close(child_r, child_w)
        self.pid = self._child.pid
        with open(parent_w, "wb", closefd=False) as pipe:
            pipe.write(parcel)

    def _pack(self, process_obj: BaseProcess) -> bytes:
        preparation: dict[str, Any] = spawn.get_preparation_data(process_obj.name)
        for key in ("init_main_from_name", "init_main_from_path", "sys_argv"):
            preparation.pop(key, None)
        parcel = io.BytesIO()
        set_spawning_popen(self)
        try:
            reduction.dump(preparation, parcel)
            reduction.dump(process_obj, parcel)
        finally:
            set_spawning_popen(None)
        return parcel.getvalue()

    def poll(self, flag: int = os.WNOHANG) -> int | None:
        if self.returncode is None:
            self.returncode = self._child.poll() if flag == os.WNOHANG else self._child.wait()
        return self.returncode


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


class BareProcess(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: BaseProcess) -> _BarePopen:
        return _BarePopen(process_obj)


class BareContext(SpawnContext):
    """A multiprocessing context whose processes hold none of the caller's secrets (POSIX only)."""

    Process = BareProcess
