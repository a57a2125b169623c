"""`kubectl egress`: tasks at a glance, shown, paused, stopped, waited for, from anywhere that kubectl works.

In: arguments, and what kubectl answers as JSON. Out: text, and an exit code that scripts can go by: 0 when it is as
wanted, else 1. Everything goes through kubectl, so kubeconfig, context, credentials and rights are its own, and so
are the words of a refusal. It must not import more than pydantic and the standard library: `pip install
egress-operator` without extras is all it takes.
"""

import argparse
import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from egress_api.constants import RECORDER_CONTAINER
from egress_api.states import ConditionStatus, ConditionType, State
from egress_api.task import EgressTask
from egress_operator.errors import KubectlError, PluginError
from egress_operator.plugin_kubectl import RESOURCE, Kubectl, read
from egress_operator.plugin_text import details, listing, sentence

FLAGS: Final = ("namespace", "context", "kubeconfig", "cluster", "user", "as")
"""kubectl's own flags that are handed on."""
WAIT_SECONDS: Final = 300.0
"""Default deadline: the default enqueueTimeoutSeconds, and more than twice a recorder's graceSeconds."""
POLL_SECONDS: Final = 1.0


def until(
    task: EgressTask,
    reached: Callable[[EgressTask], bool],
    *,
    look: Callable[[float], EgressTask],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> EgressTask:
    """Look at a task until `reached`, or until `seconds` have passed, and return it as seen last.

    Args:
        task: as just seen.
        reached: whether the wait is over.
        look: gives the task anew, within the seconds it is told.
        seconds: deadline.
        clock: monotonic, in seconds.
        sleep: waits for so many seconds.
    """
    deadline = clock() + seconds
    told = None
    while not reached(task):
        news = sentence(task)
        if news != told:
            _say(news, error=True)
            told = news
        if clock() >= deadline:
            break
        sleep(min(POLL_SECONDS, deadline - clock()))
        # An API server that is away for a moment, in hours of waiting, is no reason to give up.
        with contextlib.suppress(KubectlError):
            task = look(max(1.0, deadline - clock()))
    return task


def has_ended(task: EgressTask) -> bool:
    """Whether nothing more will happen to the task."""
    return task.status.state.terminal


def is_recording(task: EgressTask) -> bool:
    """Whether a recorder records it now; PROCESSING alone may be between two recorders."""
    found = task.status.condition(ConditionType.RECORDING)
    held = found is not None and found.status is ConditionStatus.TRUE
    return held and task.status.state is State.PROCESSING


def will_not_record(task: EgressTask) -> bool:
    """Whether the task is past recording: states only go forward."""
    return has_ended(task) or task.status.state is State.STOPPING


def _list(kubectl: Kubectl, arguments: argparse.Namespace) -> int:
    everywhere = ["--all-namespaces"] if arguments.all_namespaces else []
    found = json.loads(kubectl.run("get", RESOURCE, *everywhere, "--output=json"))["items"]
    tasks = []
    for resource in found:
        try:
            tasks.append(read(resource))
        except PluginError as error:
            _say(f"kubectl egress: left out: {error}", error=True)
    # Here and not by a field selector: a task that no operator has seen is ENQUEUED with no status to select by.
    wanted = [
        task
        for task in tasks
        if arguments.app in {None, task.spec.app_id} and arguments.state in {None, task.status.state}
    ]
    if wanted:
        _say(listing(wanted, now=datetime.now(UTC), namespaces=arguments.all_namespaces))
    else:
        where = "any namespace" if arguments.all_namespaces else f"namespace {kubectl.current_namespace()}"
        _say(f"no such task in {where}" if found else f"no task in {where}", error=True)
    return 0


def _show(kubectl: Kubectl, arguments: argparse.Namespace) -> int:
    _say(details(kubectl.task(arguments.name), now=datetime.now(UTC)))
    return 0


def _pause(kubectl: Kubectl, arguments: argparse.Namespace) -> int:
    task, wanted = kubectl.task(arguments.name), arguments.pause
    if has_ended(task) or task.spec.stop or task.status.state is State.STOPPING:
        what = "has ended" if has_ended(task) else "was asked to stop" if task.spec.stop else "is ending"
        raise PluginError(f"too late, it {what}: {sentence(task)}")
    _patch(kubectl, arguments.name, {"pause": wanted})
    asked = "to pause: nothing is recorded" if wanted else "to go on, in the same playlist,"
    _say(f"{task.metadata.name} was asked {asked} from now on")
    return 0


def _patch(kubectl: Kubectl, name: str, spec: dict[str, bool]) -> EgressTask:
    patch = json.dumps({"spec": spec})
    answer = kubectl.run("patch", RESOURCE, name, "--type=merge", f"--patch={patch}", "--output=json")
    return read(json.loads(answer))


def _stop(kubectl: Kubectl, arguments: argparse.Namespace) -> int:
    name = arguments.name
    kubectl.resource(name)  # for the sentence when there is none
    task = _patch(kubectl, name, {"stop": True})
    if arguments.wait is None and not has_ended(task):
        _say(f"{name} was asked to stop; `kubectl egress wait {name}` waits for its end")
        return 0
    return _wait_for_end(kubectl, task, seconds=arguments.wait or 0)


def _wait(kubectl: Kubectl, arguments: argparse.Namespace) -> int:
    task = kubectl.task(arguments.name)
    if arguments.goal == "end":
        return _wait_for_end(kubectl, task, seconds=arguments.timeout)
    task = until(
        task,
        lambda task: is_recording(task) or will_not_record(task),
        look=lambda left: kubectl.task(arguments.name, seconds=left),
        seconds=arguments.timeout,
    )
    if not is_recording(task):
        past = "will not record any more" if will_not_record(task) else f"not in {arguments.timeout:g} s"
        raise PluginError(f"{past}: {sentence(task)}")
    _say(sentence(task))
    return 0


def _wait_for_end(kubectl: Kubectl, task: EgressTask, *, seconds: float) -> int:
    name = task.metadata.name
    task = until(task, has_ended, look=lambda left: kubectl.task(name, seconds=left), seconds=seconds)
    if not has_ended(task):
        raise PluginError(f"not in {seconds:g} s: {sentence(task)}")
    _say(sentence(task))
    return 0 if task.status.state is State.STOPPED else 1


def _logs(kubectl: Kubectl, arguments: argparse.Namespace) -> int:
    task = kubectl.task(arguments.name)
    if task.status.pod_name is None:
        raise PluginError(f"there is no recorder Pod: {sentence(task)}")
    follow = ["--follow"] if arguments.follow else []
    command = kubectl.command("logs", task.status.pod_name, f"--container={RECORDER_CONTAINER}", *follow)
    code = subprocess.run(command, check=False).returncode
    if code and has_ended(task):
        raise PluginError(f"a recorder's log goes with its Pod, once the task has ended: {sentence(task)}")
    return code


def _duration(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 90, 90s, 5m or 2h")
    return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _name(text: str) -> str:
    return text.rpartition("/")[2]  # egt/NAME too, as `kubectl get --output=name` writes it


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    flags = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flag in FLAGS:
        short = ["-n"] if flag == "namespace" else []
        flags.add_argument(*short, f"--{flag}", metavar="X", help="as in kubectl")
    top = argparse.ArgumentParser(
        prog="kubectl egress", description="Recordings: EgressTasks and their Pods."
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    def command(
        name: str, run: Callable[[Kubectl, argparse.Namespace], int], about: str, *, of_task: bool = True
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about, parents=[flags], allow_abbrev=False)
        added.set_defaults(run=run)
        if of_task:
            added.add_argument("name", type=_name, metavar="NAME", help="the task's")
        return added

    listed = command("list", _list, "tasks, the newest last", of_task=False)
    listed.add_argument("-A", "--all-namespaces", action="store_true", help="of all namespaces")
    listed.add_argument("--app", metavar="ID", help="only of this app")
    listed.add_argument("--state", type=str.upper, choices=[state.value for state in State])
    command("show", _show, "all that is known of a task: why, when, conditions, files")
    command("pause", _pause, "leave out what comes, until resume").set_defaults(pause=True)
    command("resume", _pause, "record again, in the same playlist").set_defaults(pause=False)
    stop = command("stop", _stop, "end a recording; with --wait, exit code 0 says that it is STOPPED")
    stop.add_argument("--wait", nargs="?", type=_duration, const=WAIT_SECONDS, metavar="SECONDS")
    wait = command("wait", _wait, "wait for a task; over at once when it ends otherwise (exit code 1)")
    wait.add_argument("--for", dest="goal", choices=["recording", "end"], default="end")
    wait.add_argument("--timeout", type=_duration, default=WAIT_SECONDS, metavar="SECONDS")
    logs = command("logs", _logs, "the log of its recorder")
    logs.add_argument("-f", "--follow", action="store_true", help="go on as it grows")
    return top


def _say(text: str, *, error: bool = False) -> None:
    print(text, file=sys.stderr if error else sys.stdout, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = parser().parse_args(arguments)
    flags = tuple(f"--{flag}={value}" for flag in FLAGS if (value := getattr(given, flag)) is not None)
    kubectl = Kubectl(flags=flags, namespace=given.namespace)
    try:
        code: int = given.run(kubectl, given)
    except PluginError as error:
        if str(error):
            _say(f"kubectl egress: {error}", error=True)
        return 1
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        return 130
    return code
