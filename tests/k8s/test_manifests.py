"""deploy/k8s as kustomize builds it: valid for Kubernetes, and nothing refers to what is not there."""

import asyncio
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pykustomize
import pytest
import yaml

ROOT = Path(__file__).parents[2]
PLACES = ("base", "overlays/production", "overlays/gpu", "overlays/traces", "overlays/all-in-one")
VERSIONS = ("1.31", kubernetes_validate.latest_version())
# Made by an operator, and named in the page that tells how.
MADE_BY_HAND = {("Secret", "fourpoint-secrets"), ("Secret", "fourpoint-tls")}
WORKLOADS = {"Deployment", "StatefulSet", "Job"}
Document = dict[str, Any]


@cache
def built(place: str) -> list[Document]:
    """What `kubectl apply -k` would send."""
    result = asyncio.run(pykustomize.build(str(ROOT / "deploy" / "k8s" / place)))
    return [document for document in yaml.safe_load_all(result.yaml) if document]


def pods(place: str) -> Iterator[tuple[Document, Document]]:
    """Workloads, and the pods that they make."""
    for document in built(place):
        if document["kind"] in WORKLOADS:
            yield document, document["spec"]["template"]


def named(place: str) -> set[tuple[str, str]]:
    """Kind and name of everything there."""
    return {(document["kind"], document["metadata"]["name"]) for document in built(place)}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("place", PLACES)
def test_every_document_fits_the_schemas_of_kubernetes(place: str, version: str) -> None:
    assert len(built(place)) > 10
    for document in built(place):
        kubernetes_validate.validate(document, version, strict=True)


def test_a_document_that_does_not_fit_is_found() -> None:
    document: Document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}, "spec": {"port": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(document, VERSIONS[-1], strict=True)


@pytest.mark.parametrize("place", PLACES)
def test_what_a_pod_takes_is_there_or_made_by_an_operator(place: str) -> None:
    there = named(place) | MADE_BY_HAND
    for document, template in pods(place):
        spec = template["spec"]
        wanted = {("ServiceAccount", spec["serviceAccountName"])} if "serviceAccountName" in spec else set()
        claims = document["spec"].get("volumeClaimTemplates", [])
        volumes = {
            volume["name"] for volume in (*spec.get("volumes", []), *(claim["metadata"] for claim in claims))
        }
        for volume in spec.get("volumes", []):
            if "persistentVolumeClaim" in volume:
                wanted.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
        for container in (*spec.get("initContainers", []), *spec["containers"]):
            for source in container.get("envFrom", []):
                wanted |= {
                    (kind, source[key]["name"])
                    for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef"))
                    if key in source
                }
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= volumes
        assert wanted <= there, document["metadata"]["name"]


@pytest.mark.parametrize("place", PLACES)
def test_what_selects_pods_selects_some(place: str) -> None:
    labels = [set(template["metadata"]["labels"].items()) for _, template in pods(place)]
    for document in built(place):
        spec = document.get("spec", {})
        selector = {
            "Service": lambda spec: spec.get("selector"),
            "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
            "NetworkPolicy": lambda spec: spec["podSelector"].get("matchLabels"),
        }.get(document["kind"], lambda spec: None)(spec)
        if selector:
            assert any(set(selector.items()) <= have for have in labels), document["metadata"]["name"]
        if document["kind"] == "HorizontalPodAutoscaler":
            target = spec["scaleTargetRef"]
            assert (target["kind"], target["name"]) in named(place)


@pytest.mark.parametrize("place", PLACES)
def test_every_container_of_ours_is_bounded_and_may_do_nothing_but_its_work(place: str) -> None:
    for document, template in pods(place):
        spec = template["spec"]
        assert spec["securityContext"]["runAsNonRoot"], document["metadata"]["name"]
        assert spec["automountServiceAccountToken"] is False
        for container in (*spec.get("initContainers", []), *spec["containers"]):
            security = container["securityContext"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["allowPrivilegeEscalation"] is False
            assert "memory" in container["resources"]["limits"]
            if "fourpoint-" in container["image"]:
                assert security["readOnlyRootFilesystem"], container["name"]


def default(name: str) -> int:
    """What a variable is where nobody sets it."""
    found = re.search(rf"^# {name}=(\d+)$", (ROOT / "deploy" / "env.example").read_text(), re.M)
    assert found, name
    return int(found[1])


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("name", "processes"), [("api", "FOURPOINT_API_WORKERS"), ("io", "FOURPOINT_IO_PROCESSES")]
)
def test_a_decoder_meets_its_own_bound_before_that_of_its_container(
    place: str, name: str, processes: str
) -> None:
    (settings,) = [
        document["data"]
        for document in built(place)
        if document["kind"] == "ConfigMap" and document["metadata"]["name"].startswith("fourpoint-settings")
    ]
    each, beside, bound = (
        int(settings.get(variable, default(variable)))
        for variable in (processes, "FOURPOINT_DECODERS", "FOURPOINT_DECODER_BYTES")
    )
    (container,) = [
        template["spec"]["containers"][0]
        for document, template in pods(place)
        if document["metadata"]["name"] == name
    ]
    limit = container["resources"]["limits"]["memory"]
    assert limit.endswith("Gi")
    # What the processes themselves take, and what lies in memory as files.
    rest = 2**30
    assert each * beside * bound + rest <= int(limit.removesuffix("Gi")) * 2**30


def test_with_gpus_every_worker_that_draws_has_one_and_goes_where_they_are() -> None:
    (inference,) = [
        template for document, template in pods("overlays/gpu") if document["metadata"]["name"] == "inference"
    ]
    (container,) = inference["spec"]["containers"]
    assert container["image"].startswith("registry.example.org/fourpoint-worker-gpu:")
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert inference["spec"]["nodeSelector"] and inference["spec"]["tolerations"]


@pytest.mark.parametrize("place", PLACES)
def test_the_variables_that_are_set_are_ones_that_there_are(place: str) -> None:
    known = (ROOT / "deploy" / "env.example").read_text()
    for document in built(place):
        if document["kind"] in {"ConfigMap", "Secret"}:
            for name in document.get("data", {}):
                assert f"{name}=" in known, name
