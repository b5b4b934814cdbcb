"""The manifests fit Kubernetes' published schemas, and say what docs/kubernetes.md says."""

from typing import Any

import kubernetes_validate
import pytest
from support.kubernetes import KUSTOMIZATIONS, build, container_of, find, has_kustomize, read_base

from tuner.errors import RestartNeededError

#: The first version in which a Job may fail by index.
KUBERNETES = "1.33"
needs_kustomize = pytest.mark.skipif(not has_kustomize(), reason="kubectl, which has kustomize, is not installed")


def test_the_base_fits_the_schemas() -> None:
    for resource in read_base():
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)


def test_the_schemas_refuse_a_field_that_they_do_not_have() -> None:
    job = find(read_base(), "Job", "workers")
    job["spec"]["paralellism"] = 4

    with pytest.raises(kubernetes_validate.ValidationError, match="paralellism"):
        kubernetes_validate.validate(job, KUBERNETES, strict=True)


@needs_kustomize
@pytest.mark.parametrize("kustomization", KUSTOMIZATIONS)
def test_what_is_applied_fits_the_schemas(kustomization: str) -> None:
    resources = build(kustomization)
    for resource in resources:
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)
    # The names of generated settings arrive wherever they are read.
    (settings,) = (one["metadata"]["name"] for one in resources if one["kind"] == "ConfigMap")
    assert container_of(find(resources, "Job", "workers"))["envFrom"][0] == {"configMapRef": {"name": settings}}


@needs_kustomize
def test_an_overlay_gives_each_worker_a_gpu_and_kueue_starts_it() -> None:
    container = container_of(find(build("gpu"), "Job", "workers"))
    assert container["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/gpu": 1}
    assert container["image"] == "tuner:gpu"
    queued = find(build("kueue"), "Job", "workers")
    assert queued["spec"]["suspend"]
    assert queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "tuner"


def test_a_worker_starts_again_by_its_exit_status() -> None:
    rules = find(read_base(), "Job", "workers")["spec"]["podFailurePolicy"]["rules"]
    actions = {status: rule["action"] for rule in rules for status in rule.get("onExitCodes", {}).get("values", ())}
    assert actions == {RestartNeededError.exit_status: "Ignore", 143: "Ignore", 1: "FailIndex", 2: "FailIndex"}


@pytest.mark.parametrize(("kind", "name"), [("Job", "workers"), ("Deployment", "dashboard")])
def test_pods_may_do_no_more_than_they_need(kind: str, name: str) -> None:
    pod = find(read_base(), kind, name)["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    containers: list[dict[str, Any]] = [*pod.get("initContainers", ()), *pod["containers"]]
    for container in containers:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in container["resources"]["limits"]
        # Where the image itself writes.
        assert {"/home/tuner/.tuner", "/tmp"} <= {mount["mountPath"] for mount in container["volumeMounts"]}  # noqa: S108


def test_no_secret_is_in_the_manifests() -> None:
    for resource in read_base():
        if resource["kind"] in {"Job", "Deployment"}:
            given = container_of(resource)["env"]
            assert all("valueFrom" in variable for variable in given)
