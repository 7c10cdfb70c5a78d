"""Writes `models.py` and `calls.py` of a folder from the contract: `generate.py openapi.json folder`."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Json = dict[str, Any]
_METHODS = ("get", "post", "put", "patch", "delete")
_HEAD = '''"""Every operation of the contract, as a function of its parameters. Generated: `make clients`."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fourpoint_client import models
from fourpoint_client.requests import Call, ListCall, address
'''
_PLAIN = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}


def main(contract: Path, folder: Path) -> None:
    """Write both files. contract: the OpenAPI document."""
    _write_models(contract, folder / "models.py")
    document = json.loads(contract.read_text())
    calls = folder / "calls.py"
    calls.write_text(_HEAD + "".join(_functions(document)))
    subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--quiet", "--line-length=112", calls],
        check=True,
    )


def _write_models(contract: Path, file: Path) -> None:
    options = [
        "--input-file-type=openapi",
        "--output-model-type=typing.TypedDict",
        "--target-python-version=3.11",
        "--use-union-operator",
        "--use-standard-collections",
        "--enum-field-as-literal=all",
        "--use-double-quotes",
        "--disable-timestamp",
        "--no-use-closed-typed-dict",
        "--formatters=builtin",
        "--custom-file-header=# The shapes of the contract. Generated: `make clients`.",
    ]
    program = [sys.executable, "-m", "datamodel_code_generator"]
    subprocess.run([*program, *options, f"--input={contract}", f"--output={file}"], check=True)


def _functions(document: Json) -> Iterator[str]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                given = [_resolved(document, one) for one in item.get("parameters", [])]
                given += [_resolved(document, one) for one in item[method].get("parameters", [])]
                yield _function(document, method, path, item[method], given)


def _resolved(document: Json, thing: Json) -> Json:
    while "$ref" in thing:
        found: Any = document
        for name in thing["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        thing = found
    return thing


def _function(document: Json, method: str, path: str, operation: Json, parameters: list[Json]) -> str:
    in_path = re.findall(r"{(\w+)}", path)
    body_type, body_word = _body(operation)
    types = {one["name"]: one for one in parameters if one["in"] == "path"}
    positional = [f"{name}: {_type(document, types[name]['schema'])}" for name in in_path]
    if body_word:
        is_required = operation["requestBody"].get("required", False)
        positional.append(f"body: {body_type}" if is_required else f"body: {body_type} | None = None")
    keywords, sent = [], {"query": [], "header": []}
    for one in parameters:
        if one["in"] not in sent:
            continue
        kind = _type(document, one["schema"])
        is_required = one.get("required", False)
        keywords.append(
            f"{_snake(one['name'])}: {kind}" if is_required else f"{_snake(one['name'])}: {kind} | None = None"
        )
        sent[one["in"]].append(f'"{one["name"]}": {_snake(one["name"])}')
    signature = ", ".join([*positional, *(["*", *keywords] if keywords else [])])
    arguments = [f'"{method.upper()}"', f'address("{path}"{"".join(f", {name}={name}" for name in in_path)})']
    arguments += [
        f"{word}={{{', '.join(pairs)}}}"
        for word, pairs in (("query", sent["query"]), ("headers", sent["header"]))
        if pairs
    ]
    arguments += [f"{body_word}=body"] if body_word else []
    answers = _answers(operation)
    made = "Call"
    result = f"Call[{answers}]"
    if any(one["name"] == "cursor" for one in parameters):
        made, result = "ListCall", f"ListCall[{answers}, {_item(document, operation)}]"
    summary = operation.get("summary", operation["operationId"]).rstrip(".")
    return (
        f"\n\ndef {_snake(operation['operationId'])}({signature}) -> {result}:\n"
        f'    """{summary}."""\n    return {made}({", ".join(arguments)})\n'
    )


def _body(operation: Json) -> tuple[str, str]:
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return "", ""
    if "multipart/form-data" in content:
        return "Sequence[tuple[str, bytes]]", "files"
    if set(content) != {"application/json"}:
        return "bytes", "content"
    return _reference(content["application/json"]["schema"]), "json"


def _answers(operation: Json) -> str:
    kinds: list[str] = []
    for status, answer in operation["responses"].items():
        if not status.startswith("2"):
            continue
        content = answer.get("content", {})
        if not content:
            kinds.append("None")
        elif "application/json" in content:
            kinds.append(_reference(content["application/json"]["schema"]))
        else:
            kinds.append("bytes")
    return " | ".join(dict.fromkeys(kinds))


def _item(document: Json, operation: Json) -> str:
    page = _resolved(document, operation["responses"]["200"]["content"]["application/json"]["schema"])
    return _reference(page["properties"]["items"]["items"])


def _reference(schema: Json) -> str:
    if "$ref" in schema:
        return "models." + schema["$ref"].rsplit("/", 1)[1]
    if schema.get("type") == "array":
        return f"list[{_reference(schema['items'])}]"
    return "Mapping[str, Any]"


def _type(document: Json, schema: Json) -> str:
    schema = _resolved(document, schema)
    if "enum" in schema:
        return f"Literal[{', '.join(repr(one) for one in schema['enum'] if one is not None)}]"
    kind = schema.get("type", "string")
    kind = next(one for one in kind if one != "null") if isinstance(kind, list) else kind
    return f"Sequence[{_type(document, schema['items'])}]" if kind == "array" else _PLAIN[kind]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).replace("-", "_").lower()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
