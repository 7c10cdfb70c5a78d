"""The Python client, as the command line speaks through it: what goes wrong is a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from fourpoint_client import Client, ProblemError, TransportError
from fourpoint_standalone.processes import StandaloneError


@contextmanager
def connected(url: str, token: str) -> Iterator[Client]:
    """A client of one service. Raises StandaloneError where it refuses something or cannot be reached."""
    # A header could not carry it, and the refusal would show it.
    if not (token.isascii() and token.isprintable()):
        raise StandaloneError("The token has characters that no token has.")
    try:
        client = Client(url, token)
    except ValueError as error:
        raise StandaloneError(str(error)) from error
    with client:
        try:
            yield client
        except ProblemError as refused:
            raise StandaloneError(_sentence(refused)) from refused
        except TransportError as error:
            raise StandaloneError(f"{url} cannot be reached: {error or type(error).__name__}") from error
        except OSError as error:
            # Of the files that come and go; those of the network are among TransportError.
            raise StandaloneError(str(error)) from error


def _sentence(refused: ProblemError) -> str:
    said = [str(refused)]
    said += [f"{error['pointer']}: {error['detail']}" for error in refused.errors if error["detail"] != said[0]]
    if refused.status == 401:
        said.append("Is the token in --token or FOURPOINT_TOKEN good?")
    return "\n".join(said)
