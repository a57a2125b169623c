"""The profile for Chromium's sandbox: in the kubelet's form, and open for nothing but what the sandbox is made of."""

import json
from typing import Any

from support.charts import CHART

PROFILE: dict[str, Any] = json.loads((CHART / "files" / "seccomp-chromium.json").read_text())
FOR_THE_SANDBOX = {"chroot", "clone", "clone3", "setns", "unshare"}
NEVER = {
    "bpf", "delete_module", "finit_module", "fsconfig", "fsmount", "init_module", "io_uring_setup", "kexec_load", "keyctl",
    "mount", "mount_setattr", "move_mount", "open_by_handle_at", "open_tree", "perf_event_open", "pivot_root", "reboot",
    "setdomainname", "sethostname", "swapon", "umount", "umount2", "userfaultfd",
}  # fmt: skip
"""What containers' default profile refuses to a container without capabilities; the list is not all of it."""


def allowed(*, with_arguments: bool) -> set[str]:
    return {
        name
        for rule in PROFILE["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW" and ("args" in rule) is with_arguments
        for name in rule["names"]
    }


def test_what_is_not_named_is_refused_and_not_killed() -> None:
    assert (PROFILE["defaultAction"], PROFILE["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)


def test_it_has_the_plain_form_that_a_kubelet_takes() -> None:
    assert set(PROFILE) == {"defaultAction", "defaultErrnoRet", "architectures", "syscalls"}
    assert {key for rule in PROFILE["syscalls"] for key in rule} <= {"names", "action", "args", "errnoRet"}
    assert {"SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"} <= set(PROFILE["architectures"])


def test_the_sandbox_may_make_its_namespaces_whatever_the_arguments() -> None:
    assert allowed(with_arguments=False) >= FOR_THE_SANDBOX
    ruled = [name for rule in PROFILE["syscalls"] for name in rule["names"]]
    assert [ruled.count(name) for name in sorted(FOR_THE_SANDBOX)] == [1] * 5


def test_nothing_that_a_container_is_refused_elsewhere_is_allowed() -> None:
    assert not NEVER & (allowed(with_arguments=False) | allowed(with_arguments=True))


def test_sockets_to_the_hypervisor_stay_closed() -> None:
    values = [rule["args"][0] for rule in PROFILE["syscalls"] if rule["names"] == ["socket"]]
    assert not any(value["op"] == "SCMP_CMP_EQ" and value["value"] == 40 for value in values)  # AF_VSOCK
