"""The OpenAPI 3.1 document of some endpoints, out of the same declarations that serve them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from procession.faces.endpoint import Endpoint
from procession.faces.problem import CONTENT_TYPE as PROBLEM_TYPE
from procession.faces.problem import Problem

_REF = "#/components/schemas/{name}"
_PARAM = re.compile(r"\{(\w+)\}")


class Refusing(NamedTuple):
    """How a face says that something is refused: the body's type, and its content type."""

    shape: type[Struct]
    content_type: str


PROBLEM = Refusing(Problem, PROBLEM_TYPE.decode())


def document(endpoints: Sequence[Endpoint], refusing: Refusing = PROBLEM) -> dict[str, Any]:
    """As a JSON-able object."""
    kinds = list(dict.fromkeys((refusing.shape, *_kinds(endpoints))))
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    schema_of = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        operation = _operation(endpoint, schema_of, components)
        operation["responses"] |= _refusals(endpoint, schema_of[refusing.shape], refusing)
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Procession", "version": version("procession")},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _kinds(endpoints: Sequence[Endpoint]) -> Iterable[Any]:
    for endpoint in endpoints:
        yield from (kind for kind in (endpoint.body, endpoint.query, endpoint.answer) if kind)


def _operation(
    endpoint: Endpoint, schema_of: dict[Any, Any], components: dict[str, Any]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": _operation_id(endpoint),
        "parameters": _parameters(endpoint, schema_of, components),
        "responses": _responses(endpoint, schema_of),
        "security": [] if endpoint.scope is None else [{"token": [endpoint.scope]}],
    }
    if endpoint.body is not None:
        content = {"application/json": {"schema": schema_of[endpoint.body]}}
        operation["requestBody"] = {"required": not endpoint.body_optional, "content": content}
    return operation


def _operation_id(endpoint: Endpoint) -> str:
    words = re.findall(r"[A-Za-z0-9]+", endpoint.path)
    return "_".join([endpoint.method.lower(), *words])


def _parameters(
    endpoint: Endpoint, schema_of: dict[Any, Any], components: dict[str, Any]
) -> list[dict[str, Any]]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAM.findall(endpoint.path)
    ]
    if endpoint.query is not None:
        shape = components[schema_of[endpoint.query]["$ref"].rpartition("/")[2]]
        found += [
            {"name": name, "in": "query", "required": False, "schema": schema}
            for name, schema in shape["properties"].items()
        ]
    return found


def _responses(endpoint: Endpoint, schema_of: dict[Any, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status in endpoint.success:
        response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
        if status != HTTPStatus.NOT_MODIFIED:
            schema = schema_of[endpoint.answer] if endpoint.answer else {}
            response["content"] = {endpoint.content_type: {"schema": schema}}
        responses[str(status)] = response
    return responses


def _refusals(endpoint: Endpoint, schema: dict[str, Any], refusing: Refusing) -> dict[str, Any]:
    content = {refusing.content_type: {"schema": schema}}
    return {
        str(status): {"description": HTTPStatus(status).phrase, "content": content}
        for status in endpoint.errors
    }
