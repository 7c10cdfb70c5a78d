"""A test client that holds every answer against the contract: status, media type, schema, request id."""

from functools import cache
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.jsonschema import DRAFT202012
from werkzeug.exceptions import HTTPException
from werkzeug.test import TestResponse

from fourpoint_api.app import contract
from fourpoint_core.store.models import User

PROBLEM = "application/problem+json"
_CONTRACT = "urn:contract"


@cache
def _contract() -> dict[str, Any]:
    return contract()


@cache
def _registry() -> Registry[Any]:
    return Registry().with_resource(_CONTRACT, DRAFT202012.create_resource(_contract()))


@cache
def _schema(pointer: str) -> Draft202012Validator:
    validator = validator_for({"$schema": "https://json-schema.org/draft/2020-12/schema"})
    return validator({"$ref": _CONTRACT + pointer}, registry=_registry())


class CheckedClient(FlaskClient):
    """Opens requests as its parent does, and fails where the answer breaks the contract."""

    def __init__(self, app: Flask, token: str | None = None):
        super().__init__(app, app.response_class)
        if token is not None:
            self.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
        self._contract: Any = _contract()

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        """See werkzeug.test.Client.open."""
        answer = super().open(*args, **kwargs)
        assert answer.headers.get("X-Request-ID"), "an answer without a request id"
        operation = self._operation(answer)
        if operation is not None:
            self._check(answer, operation)
        if answer.status_code >= 400 and answer.mimetype == PROBLEM:
            self._check_problem(answer)
        return answer

    def _operation(self, answer: TestResponse) -> tuple[str, str] | None:
        """Path and method as the contract has them; None for addresses it does not know."""
        request = answer.request
        method = "GET" if request.method == "HEAD" else request.method
        try:
            rule, _ = self.application.url_map.bind("").match(request.path, method, return_rule=True)
        except HTTPException:
            return None
        path = "".join(f"{{{part}}}" if dynamic else part for dynamic, part in rule._trace).lstrip("|")
        return (path, method.lower()) if path in self._contract["paths"] else None

    def _check(self, answer: TestResponse, operation: tuple[str, str]) -> None:
        path, method = operation
        documented = self._contract["paths"][path][method]["responses"]
        status = "default" if answer.status_code == 500 else str(answer.status_code)
        assert status in documented, f"{method.upper()} {path} answers {status}, which is not documented"
        self._check_headers(answer, self._response(documented[status])["headers"], f"{method.upper()} {path}")
        content = self._response(documented[status]).get("content", {})
        if not content:
            assert not answer.data, f"{method.upper()} {path} answers {status} with a body"
        else:
            assert answer.mimetype in content, f"{method.upper()} {path}: {answer.mimetype} is not documented"
            if answer.is_json:
                schema = content[answer.mimetype]["schema"]
                # What another tool's protocol says has no name here.
                named = "$ref" in schema
                validator = _schema(schema["$ref"]) if named else Draft202012Validator(schema)
                validator.validate(answer.json)

    def _check_headers(self, answer: TestResponse, documented: dict[str, Any], operation: str) -> None:
        """What is sent is documented, by `sends` of web/response_headers.py; what goes always was sent."""
        known = self._contract["components"]["headers"]
        sent = {name for name in known if name in answer.headers}
        always = {name for name in documented if known[name]["required"]}
        assert sent <= documented.keys(), f"{operation}: {sent - documented.keys()} sent and not documented"
        assert always <= sent, f"{operation}: {always - sent} documented and not sent"

    def _response(self, documented: dict[str, Any]) -> Any:
        if "$ref" not in documented:
            return documented
        return self._contract["components"]["responses"][documented["$ref"].rpartition("/")[2]]

    def _check_problem(self, answer: TestResponse) -> None:
        body = answer.json
        _schema("#/components/schemas/Problem").validate(body)
        assert body["status"] == answer.status_code
        assert body["request_id"] == answer.headers["X-Request-ID"]
        assert body["type"] == f"urn:fourpoint:problem:{body['code']}"
        assert body["detail"].strip()


class Person(CheckedClient):
    """A client of somebody."""

    def __init__(self, app: Flask, user: User, token: str):
        super().__init__(app, token)
        self.user = user
        self.token = token
