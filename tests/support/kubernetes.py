"""The manifests in `deploy/kubernetes`, as `kubectl` would send them."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml

MANIFESTS = Path(__file__).parents[2] / "deploy" / "kubernetes"
#: Each of them is given to `kubectl apply -k`.
KUSTOMIZATIONS = ("base", "gpu", "kueue")


def read_base() -> list[dict[str, Any]]:
    """Return the resources of the base, as they are written."""
    names = yaml.safe_load((MANIFESTS / "base" / "kustomization.yaml").read_text())["resources"]
    return [resource for name in names for resource in yaml.safe_load_all((MANIFESTS / "base" / name).read_text())]


def has_kustomize() -> bool:
    """Say whether this machine can put the base and a patch together."""
    return shutil.which("kubectl") is not None


def build(kustomization: str) -> list[dict[str, Any]]:
    """Return the resources of a kustomization, by `kubectl kustomize`, which needs no cluster."""
    built = subprocess.run(
        ["kubectl", "kustomize", MANIFESTS / kustomization], check=True, capture_output=True, text=True
    )
    return list(yaml.safe_load_all(built.stdout))


def find(resources: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """Return one of these resources."""
    (found,) = (one for one in resources if (one["kind"], one["metadata"]["name"]) == (kind, name))
    return found


def container_of(resource: dict[str, Any]) -> dict[str, Any]:
    """Return the container of a Job or a Deployment."""
    (container,) = resource["spec"]["template"]["spec"]["containers"]
    return container
