"""Says in a shell's words how to reach the cluster; pure.

In: settings and where the engine listens. Out: `export` lines.
"""

import os
import shlex

from .settings import Settings


def exports(settings: Settings, *, docker_host: str | None) -> str:
    """Give the lines; our tools come first on the PATH, for the docker client there fits the engine.

    Running them twice changes nothing: the folder is on the PATH once.
    """
    folders = [folder for folder in settings.environment.get("PATH", os.defpath).split(os.pathsep) if folder]
    path = os.pathsep.join(
        [str(settings.bin), *(folder for folder in folders if folder != str(settings.bin))]
    )
    lines = [f"export KUBECONFIG={shlex.quote(str(settings.kubeconfig))}", f"export PATH={shlex.quote(path)}"]
    if docker_host:
        lines.append(f"export DOCKER_HOST={shlex.quote(docker_host)}")
    return "\n".join(lines)
