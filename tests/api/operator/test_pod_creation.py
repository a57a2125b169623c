"""Making the recorder's Pod where the API server, a quota or an older Pod have a say."""

from typing import Any

import pytest

from egress_api.task import EgressTask
from egress_operator.pods import build_pod
from support.operator_world import PAGE, World, settings_for
from support.summaries import summary


async def test_a_full_quota_is_waited_for(world: World) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"pods": "0"}},
    }
    path = f"/api/v1/namespaces/{world.namespace}/resourcequotas"
    await world.cluster.request("POST", path, body=quota)
    # The quota controller, which fills in the status that admission reads, does not run here.
    await world.cluster.request(
        "PATCH",
        f"{path}/none/status",
        body={"status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}},
        content_type="application/merge-patch+json",
    )
    async with world.operator():
        await world.create_task("crowded", limits={"enqueueTimeoutSeconds": 5})
        status = await world.until_state("crowded", "ENQUEUED", reason="QuotaExceeded")
        assert "exceeded quota" in status["message"]
        await world.until_state("crowded", "TIMEOUT", reason="QuotaExceeded")


async def test_a_pod_that_admission_refuses_fails_the_task_with_its_sentence(world: World) -> None:
    limits = {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "small"},
        "spec": {"limits": [{"type": "Container", "max": {"memory": "16Mi"}}]},
    }
    await world.cluster.request("POST", f"/api/v1/namespaces/{world.namespace}/limitranges", body=limits)
    async with world.operator():
        await world.create_task("refused")
        status = await world.until_state("refused", "FAILED", reason="AdmissionRefused")
        assert "maximum memory usage per Container is 16Mi" in status["message"]


async def test_the_restricted_pod_security_standard_takes_the_pod(world: World) -> None:
    await world.cluster.request(
        "PATCH",
        f"/api/v1/namespaces/{world.namespace}",
        body={"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
        content_type="application/merge-patch+json",
    )
    async with world.operator():
        await world.create_task("strict")
        await world.until_pod("strict")


async def _make_pod_of(world: World, task: dict[str, Any], *, owner_uid: str | None = None) -> dict[str, Any]:
    parsed = EgressTask.from_resource(task)
    pod = build_pod(parsed, attempt=1, settings=settings_for(world.namespace))
    if owner_uid is not None:
        pod["metadata"]["ownerReferences"][0]["uid"] = owner_uid
    return await world.cluster.request("POST", f"/api/v1/namespaces/{world.namespace}/pods", body=pod)


@pytest.mark.parametrize("sandbox", [{}, {"seccomp_profile": "egress/chromium.json", "host_users": False}])
async def test_the_restricted_pod_security_standard_takes_a_pages_pod(
    world: World, sandbox: dict[str, Any]
) -> None:
    await world.cluster.request(
        "PATCH",
        f"/api/v1/namespaces/{world.namespace}",
        body={"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
        content_type="application/merge-patch+json",
    )
    web = {"image": "web:test", **sandbox}
    async with world.operator(recorder={"image": "egress-recorder:test", "web": web}):
        await world.create_task("page", **PAGE)
        spec = (await world.until_pod("page"))["spec"]
    assert spec["containers"][0]["image"] == "web:test"
    assert spec.get("hostUsers", True) is sandbox.get("host_users", True)


async def test_an_operator_without_an_image_for_pages_says_which_value_to_set(world: World) -> None:
    async with world.operator():
        await world.create_task("page", **PAGE)
        status = await world.until_state("page", "FAILED", reason="LayoutNotSupported")
    assert "recorder.web.image" in status["message"]


async def test_a_pod_that_is_already_there_is_adopted(world: World) -> None:
    task = await world.create_task("again")
    made = await _make_pod_of(world, task)
    async with world.operator():
        await world.start_recording("again")
        status = await world.until_state("again", "PROCESSING")
        assert status["podUid"] == made["metadata"]["uid"]
        assert len(await world.pods()) == 1


async def test_somebody_elses_pod_of_that_name_fails_the_task_and_is_left_alone(world: World) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "taken-1"},
        "spec": {"containers": [{"name": "a", "image": "b"}]},
    }
    await world.cluster.request("POST", f"/api/v1/namespaces/{world.namespace}/pods", body=pod)
    async with world.operator():
        await world.create_task("taken")
        await world.until_state("taken", "FAILED", reason="PodNameConflict")
        found = await world.pod("taken-1")
        assert found is not None
        assert "deletionTimestamp" not in found["metadata"]


async def test_a_task_made_anew_waits_for_the_pod_of_the_earlier_one(world: World) -> None:
    async with world.operator():
        await world.create_task("anew")
        await world.start_recording("anew")
        await world.until_state("anew", "PROCESSING")
        await world.delete_task("anew")
        second = await world.create_task("anew")
        await world.until_state("anew", "ENQUEUED", reason="PodPending")
        await world.until_deleting("anew-1")
        await world.end_pod("anew-1", message=summary())
        await world.kubelet_lets_go("anew-1")

        async def own_pod() -> bool:
            pod = await world.pod("anew-1")
            owners = pod["metadata"]["ownerReferences"] if pod else [{"uid": None}]
            return bool(owners[0]["uid"] == second["metadata"]["uid"])

        await world.until("a Pod of its own", own_pod)


async def test_an_app_without_a_source_fails_and_says_what_to_set(world: World) -> None:
    async with world.operator(sources={"apps": {"other": {"url": "ws://x:1"}}}):
        await world.create_task("lonely")
        status = await world.until_state("lonely", "FAILED", reason="NotConfigured")
        assert "sources.default" in status["message"]
        assert await world.pods() == []
