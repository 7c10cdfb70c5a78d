"""The committed contract is what the code says, is valid, and leaves no question open."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import marshmallow as ma
import pytest
from flask import Flask
from flask.views import MethodView
from flask_smorest import Blueprint
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from fourpoint_api.app import contract
from fourpoint_api.contract import contract_text
from fourpoint_api.web import openapi

COMMITTED = Path(__file__).parents[2] / "openapi" / "openapi.json"
CONTRACT = contract()
PROBLEM = "application/problem+json"
WITHOUT_DATABASE = {"getHealth", "getReadiness", "getLabelStudioHealth", "getLabelStudioBackend"}
METHODS = {"get", "post", "put", "patch", "delete"}
OPERATIONS = {
    operation["operationId"]: operation
    for path in CONTRACT["paths"].values()
    for method, operation in path.items()
    if method in METHODS
}


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where, media type and content of everything that an operation takes and answers with."""
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        yield "request", media_type, content
    for status, response in operation["responses"].items():
        for media_type, content in response.get("content", {}).items():
            yield status, media_type, content


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    registry: Registry[Any] = Registry().with_resource("urn:c", DRAFT202012.create_resource(CONTRACT))
    # What another tool's protocol says has no name in the contract.
    named = {"$ref": "urn:c" + schema["$ref"]} if "$ref" in schema else schema
    return Draft202012Validator(named, registry=registry)


def test_the_committed_contract_is_what_the_code_says() -> None:
    assert COMMITTED.read_text() == contract_text(), "run `make openapi`, and review the difference"


def test_the_contract_is_valid_openapi_3_1() -> None:
    assert CONTRACT["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(CONTRACT).validate()


def test_every_operation_has_an_id_of_its_own() -> None:
    count = sum(method in METHODS for path in CONTRACT["paths"].values() for method in path)
    assert len(OPERATIONS) == count


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_id_is_a_verb_and_a_noun(name: str) -> None:
    assert re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", name)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_says_what_it_does(name: str) -> None:
    assert OPERATIONS[name]["summary"].endswith(".")


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_an_example_of_all_it_takes_and_answers(name: str) -> None:
    without = [
        (where, media_type)
        for where, media_type, content in contents(OPERATIONS[name])
        if content["schema"].get("format") != "binary" and not {"example", "examples"} & content.keys()
    ]
    assert without == []


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_example_is_as_its_schema_says(name: str) -> None:
    for _, media_type, content in contents(OPERATIONS[name]):
        if media_type in {"application/json", PROBLEM}:
            examples = [item["value"] for item in content.get("examples", {}).values()]
            for example in [*examples, *([content["example"]] if "example" in content else [])]:
                validator(content["schema"]).validate(example)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_error_is_a_problem_document(name: str) -> None:
    for status, media_type, _ in contents(OPERATIONS[name]):
        # A service that is not ready answers with the list of what is missing.
        if status[0] in "45" and name != "getReadiness":
            assert media_type == PROBLEM, status


def test_an_error_that_nobody_documented_is_a_problem_document() -> None:
    assert set(CONTRACT["components"]["responses"]["DEFAULT_ERROR"]["content"]) == {PROBLEM}


@pytest.mark.parametrize("name", [n for n, o in OPERATIONS.items() if "requestBody" in o])
def test_what_takes_a_body_says_how_it_refuses_one(name: str) -> None:
    assert {"413", "415", "422"} <= OPERATIONS[name]["responses"].keys()


@pytest.mark.parametrize("name", [n for n in OPERATIONS if n not in WITHOUT_DATABASE])
def test_what_needs_the_database_says_that_it_may_be_away(name: str) -> None:
    assert "database_unavailable" in json.dumps(OPERATIONS[name]["responses"]["503"])


@pytest.mark.parametrize("path", [path for path in CONTRACT["paths"] if "{" in path])
def test_what_names_a_resource_may_not_find_it(path: str) -> None:
    for method, operation in CONTRACT["paths"][path].items():
        if method in METHODS:
            assert "404" in operation["responses"], method


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("inferContour", "Prefer"),
        ("getJob", "Prefer"),
        ("changeDataset", "If-Match"),
        ("addAnnotation", "If-Match"),
        ("deleteAnnotation", "If-Match"),
        ("getAnnotations", "If-None-Match"),
        ("getSample", "If-None-Match"),
        ("getSampleImage", "If-None-Match"),
        ("getSampleImage", "Range"),
        ("getSampleThumbnail", "If-None-Match"),
    ],
)
def test_a_header_that_changes_the_answer_is_a_parameter(name: str, header: str) -> None:
    parameters = OPERATIONS[name].get("parameters", [])
    assert header in [item["name"] for item in parameters if item.get("in") == "header"]


def test_every_post_heeds_a_key() -> None:
    posts = [item["post"] for item in CONTRACT["paths"].values() if "post" in item]
    assert [
        post["operationId"]
        for post in posts
        if not any(given.get("name") == "Idempotency-Key" for given in post["parameters"])
    ] == []


def test_an_exclusive_range_stays_exclusive() -> None:
    class Sizes(ma.Schema):
        share = ma.fields.Float(
            validate=ma.validate.Range(min=0, max=1, min_inclusive=False, max_inclusive=False)
        )
        count = ma.fields.Integer(validate=ma.validate.Range(min=1, max=9))

    blueprint = Blueprint("sizes", __name__)

    @blueprint.route("/sizes")
    class AllSizes(MethodView):
        @blueprint.arguments(Sizes)
        @blueprint.response(204)
        def post(self, body: object) -> None: ...

    api = openapi.build_api(Flask("sizes"))
    api.register_blueprint(blueprint)
    properties = openapi.contract(api)["components"]["schemas"]["Sizes"]["properties"]
    assert properties["share"] == {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    assert properties["count"] == {"type": "integer", "minimum": 1, "maximum": 9}


def test_an_unknown_field_is_an_error_in_every_object() -> None:
    requests = {n: s for n, s in CONTRACT["components"]["schemas"].items() if s.get("type") == "object"}
    # What an object store tells is the object store's to form.
    requests.pop("StorageEvent")
    # So are the bodies of Label Studio and CVAT, whose next release may add to them.
    requests = {n: s for n, s in requests.items() if not n.startswith(("LabelStudio", "Cvat"))}
    assert [name for name, schema in requests.items() if schema.get("additionalProperties") is not False] == []


# What integrators read


def headers(name: str, status: str) -> set[str]:
    return set(OPERATIONS[name]["responses"][status]["headers"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_answer_names_its_request(name: str) -> None:
    own = {status for status, response in OPERATIONS[name]["responses"].items() if "$ref" not in response}
    assert [status for status in own if "X-Request-ID" not in headers(name, status)] == []


@pytest.mark.parametrize(
    ("name", "status", "header"),
    [
        ("getAnnotations", "200", "ETag"),
        ("getAnnotations", "304", "ETag"),
        ("replaceAnnotations", "412", "ETag"),
        ("deleteAnnotations", "204", "ETag"),
        ("inferContour", "202", "Location"),
        ("inferContour", "200", "Preference-Applied"),
        ("createDataset", "201", "Location"),
        ("deleteDataset", "202", "Location"),
        ("listSamples", "200", "Link"),
        ("createDataset", "201", "Idempotency-Replayed"),
        ("createDataset", "409", "Retry-After"),
        ("getMe", "401", "WWW-Authenticate"),
        ("getMe", "503", "Retry-After"),
        ("getSampleImage", "206", "Content-Range"),
        ("getSampleImage", "416", "Content-Range"),
    ],
)
def test_a_header_that_clients_go_by_is_documented(name: str, status: str, header: str) -> None:
    assert header in headers(name, status)


def test_who_starts_a_job_may_wait_for_it() -> None:
    starting = {
        name: operation
        for name, operation in OPERATIONS.items()
        if "/schemas/Job'" in str(operation["responses"].get("202", {}).get("content"))
    }
    assert len(starting) > 10
    for name, operation in starting.items():
        assert "Prefer" in {parameter.get("name") for parameter in operation["parameters"]}, name
        assert "Preference-Applied" in headers(name, "202"), name


@pytest.mark.parametrize(
    ("name", "status", "header"),
    [
        ("deleteLabel", "202", "ETag"),
        ("getReadiness", "503", "Retry-After"),
        ("writeFile", "403", "Retry-After"),
    ],
)
def test_a_header_that_is_not_sent_is_not_documented(name: str, status: str, header: str) -> None:
    assert header not in headers(name, status)


def test_no_note_of_ours_is_left_in_the_contract() -> None:
    assert "x-sends" not in json.dumps(CONTRACT)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_file_is_described_as_bytes(name: str) -> None:
    for _, media_type, content in contents(OPERATIONS[name]):
        if media_type.startswith("image/"):
            expected = {"type": "string", "format": "binary", "contentMediaType": media_type}
            assert content["schema"] == expected


def test_a_form_says_which_files_it_takes() -> None:
    form = OPERATIONS["uploadSamples"]["requestBody"]["content"]["multipart/form-data"]
    assert form["schema"]["properties"]["files"]["items"]["format"] == "binary"
    assert form["encoding"]["files"]["contentType"] == "image/jpeg, image/png, image/bmp"
