"""`If-Match` of annotation documents."""

from flask import request

from fourpoint_api.resources.annotations.preconditions import Precondition
from fourpoint_core.errors import PreconditionRequiredError


def stated_condition() -> Precondition:
    """What the request says that it would change; whatever is there, where it says nothing."""
    if "If-Match" not in request.headers or request.if_match.star_tag:
        return Precondition()
    return Precondition.from_tags(request.if_match.as_set())


def required_condition() -> Precondition:
    """As `stated_condition`, where silence could cost somebody his work. Raises PreconditionRequiredError."""
    if "If-Match" not in request.headers:
        raise PreconditionRequiredError(
            "Send the `ETag` of the document that you read as `If-Match`, so that no other save is lost."
        )
    return stated_condition()
