"""Does the node let a browser build its own sandbox? Asked by doing what the browser would do.

In: nothing. Out: yes or no. Chromium's sandbox is made of user namespaces: it needs a new user, process and network
namespace and a changed root, which Kubernetes' default seccomp profile forbids (docs/pages.md says how to allow it).
"""

import asyncio
import subprocess
import sys

_SECONDS = 5.0
_TRY = """
import os, sys
user, group = os.getuid(), os.getgid()
os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWPID | os.CLONE_NEWNET)
for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
    with open(f"/proc/self/{name}", "w") as file:
        file.write(text)
child = os.fork()
if child == 0:
    os.chroot("/proc/self/fdinfo")
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


async def sandbox_works() -> bool:
    """Say whether the browser's sandbox can hold here."""
    return await asyncio.to_thread(_try)


def _try() -> bool:
    try:
        done = subprocess.run(
            [sys.executable, "-S", "-E", "-c", _TRY], capture_output=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
