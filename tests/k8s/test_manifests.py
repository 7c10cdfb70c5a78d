"""deploy/k8s as kustomize builds it: valid for Kubernetes, and nothing refers to what is not there."""

import asyncio
import re
from collections.abc import Iterator
from functools import cache
from ipaddress import ip_address, ip_network
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
MADE_BY_HAND = {("Secret", "fourpoint-secrets"), ("Secret", "fourpoint-owner"), ("Secret", "fourpoint-tls")}
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


def may_reach(place: str, name: str, address: str, port: int) -> bool:
    """Whether the network policies let pods of this name connect there; by addresses, and not by labels."""
    (labels,) = [
        template["metadata"]["labels"]
        for document, template in pods(place)
        if document["metadata"]["name"] == name
    ]
    rules = [
        rule
        for document in built(place)
        if document["kind"] == "NetworkPolicy" and selects(document["spec"]["podSelector"], labels)
        for rule in document["spec"].get("egress", [])
    ]
    return any(
        any(open_["port"] == port for open_ in rule["ports"])
        and any(holds(peer["ipBlock"], address) for peer in rule.get("to", []) if "ipBlock" in peer)
        for rule in rules
    )


def selects(selector: Document, labels: dict[str, str]) -> bool:
    """Whether a policy is about pods with these labels."""
    exact = selector.get("matchLabels", {}).items() <= labels.items()
    return exact and all(labels[one["key"]] in one["values"] for one in selector.get("matchExpressions", []))


def holds(block: Document, address: str) -> bool:
    """Whether an address is in a block, and in none of its exceptions."""
    number = ip_address(address)
    return number in ip_network(block["cidr"]) and not any(
        number in ip_network(less) for less in block.get("except", [])
    )


@pytest.mark.parametrize("port", [443, 80])
@pytest.mark.parametrize("name", ["api", "io"])
def test_images_of_tasks_and_receivers_of_webhooks_are_within_reach_and_neighbours_are_not(
    name: str, port: int
) -> None:
    assert may_reach("overlays/production", name, "93.184.215.14", port)
    for neighbour in (
        "10.99.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "192.0.0.192",
        "fec0::1",
        "64:ff9b::a00:1",
    ):
        assert not may_reach("overlays/production", name, neighbour, port)


def test_whoever_draws_outlines_reaches_the_data_only() -> None:
    assert may_reach("overlays/production", "inference", "10.20.1.9", 443)
    assert not may_reach("overlays/production", "inference", "93.184.215.14", 443)


def test_the_example_for_a_label_studio_of_ones_own_is_one_that_kubernetes_takes() -> None:
    file = ROOT / "deploy" / "k8s" / "overlays" / "production" / "to-label-studio.yaml"
    kubernetes_validate.validate(yaml.safe_load(file.read_text()), VERSIONS[-1], strict=True)


def test_the_ingress_lets_pass_what_the_api_takes() -> None:
    (ingress,) = [document for document in built("overlays/production") if document["kind"] == "Ingress"]
    size = ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert size.endswith("m")
    in_base64 = default("FOURPOINT_MAX_PICTURE_BYTES") * 4 // 3
    assert int(size.removesuffix("m")) * 2**20 > max(in_base64, default("FOURPOINT_MAX_BATCH_BYTES")) + 2**20


def test_with_gpus_every_worker_that_draws_has_one_and_goes_where_they_are() -> None:
    (inference,) = [
        template for document, template in pods("overlays/gpu") if document["metadata"]["name"] == "inference"
    ]
    (container,) = inference["spec"]["containers"]
    assert container["image"].startswith("registry.example.org/fourpoint-worker-gpu:")
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert inference["spec"]["nodeSelector"] and inference["spec"]["tolerations"]


@pytest.mark.parametrize("place", PLACES)
def test_the_owners_address_is_known_to_the_migration_only(place: str) -> None:
    told = {
        document["metadata"]["name"]
        for document, template in pods(place)
        for container in (*template["spec"].get("initContainers", []), *template["spec"]["containers"])
        for source in container.get("envFrom", [])
        if source.get("secretRef", {}).get("name", "").startswith("fourpoint-owner")
    }
    assert told == {"migrate"}


@pytest.mark.parametrize("place", PLACES)
def test_the_variables_that_are_set_are_ones_that_there_are(place: str) -> None:
    known = (ROOT / "deploy" / "env.example").read_text() + "FOURPOINT_OWNER_DATABASE_URL="
    for document in built(place):
        if document["kind"] in {"ConfigMap", "Secret"}:
            for name in document.get("data", {}):
                assert f"{name}=" in known, name
