"""Chat models by name: Bedrock Converse and OpenAI-compatible servers, and their failures as sentences.

The one place that constructs a chat model. Credentials are found by the clients themselves, in the environment or the
usual AWS places; no value of one is read, kept or shown here.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tools.errors import BackendError, UsageError
from tools.escape import one_line

if TYPE_CHECKING:
    from langchain_core.language_models.chat_models import BaseChatModel

Failure: TypeAlias = Literal[
    "busy", "empty_account", "no_access", "no_model", "no_credentials", "bad_credentials", "unreachable", "slow",
    "too_long", "refused", "broken",
]  # fmt: skip

KEY_VARIABLE = "OPENAI_API_KEY"
_TIMEOUT_S = 120
_MAX_RETRIES = 4
"""Tries after the first, with growing waits; the clients themselves know which failures are worth one."""

_CODES: Mapping[str, Failure] = {
    "ThrottlingException": "busy",
    "TooManyRequestsException": "busy",
    "ServiceUnavailableException": "busy",
    "ModelNotReadyException": "busy",
    "ServiceQuotaExceededException": "empty_account",
    "AccessDeniedException": "no_access",
    "ResourceNotFoundException": "no_model",
    "ModelTimeoutException": "slow",
    "UnrecognizedClientException": "bad_credentials",
    "InvalidSignatureException": "bad_credentials",
    "ExpiredTokenException": "bad_credentials",
    "MissingAuthenticationTokenException": "no_credentials",
    "ValidationException": "refused",
    "ModelErrorException": "broken",
    "ModelStreamErrorException": "broken",
    "InternalServerException": "broken",
}
"""Error codes of Bedrock Runtime (API reference of Converse) and of request signing."""
_TYPES: Mapping[str, Failure] = {
    "NoCredentialsError": "no_credentials",
    "PartialCredentialsError": "no_credentials",
    "CredentialRetrievalError": "bad_credentials",
    "TokenRetrievalError": "bad_credentials",
    "SSOTokenLoadError": "bad_credentials",
    "UnauthorizedSSOTokenError": "bad_credentials",
    "EndpointConnectionError": "unreachable",
    "ConnectionClosedError": "unreachable",
    "ConnectTimeoutError": "slow",
    "ReadTimeoutError": "slow",
    "RateLimitError": "busy",
    "AuthenticationError": "bad_credentials",
    "PermissionDeniedError": "no_access",
    "NotFoundError": "no_model",
    "APITimeoutError": "slow",
    "APIConnectionError": "unreachable",
    "BadRequestError": "refused",
    "UnprocessableEntityError": "refused",
    "InternalServerError": "broken",
    "APIError": "broken",
    "RemoteProtocolError": "unreachable",
    "ConnectError": "unreachable",
    "ConnectionError": "unreachable",
    "ProtocolError": "unreachable",
    "ReadTimeout": "slow",
    "ContextOverflowError": "too_long",
}
"""Exception types of botocore, the openai client, httpx and urllib3, by name, so that none is imported for this."""
_SENTENCES: Mapping[Failure, tuple[str, str]] = {
    "busy": (
        "{name} is busy: it refused several tries in a row.",
        "Wait a minute and say `go on`, raise the quota, or choose another brain with --brain.",
    ),
    "empty_account": (
        "{name} refused: a quota of the account is used up.",
        "Raise the quota in the provider's console, or choose another brain with --brain.",
    ),
    "no_access": (
        "This account may not use {name}.",
        "On Bedrock, enable the model under Model access in its region and allow bedrock:InvokeModel and "
        "bedrock:InvokeModelWithResponseStream on it. Elsewhere, ask whoever gave you the key.",
    ),
    "no_model": (
        "There is no model {name} at that place.",
        "Check the model id and the region or base URL in --brain; some Bedrock models need an inference profile id.",
    ),
    "no_credentials": (
        "There are no credentials for {name}.",
        "For Bedrock sign in with `aws sso login` or set AWS_PROFILE; for an OpenAI-compatible server set "
        f"{KEY_VARIABLE}. Or use --brain guide, which needs none.",
    ),
    "bad_credentials": (
        "The credentials for {name} were refused or have expired.",
        "Sign in again (`aws sso login`), or set a valid key in the environment.",
    ),
    "unreachable": (
        "{name} cannot be reached, or closed the connection.",
        "Check the network, the region and the base URL; is the server running? --brain guide needs no network.",
    ),
    "slow": ("{name} did not answer in time.", "Say `go on` to try again."),
    "too_long": ("The conversation is too long for {name}.", "Start a new thread, or choose another brain."),
    "refused": ("{name} refused the request: {detail}", "Choose a model that can call tools, or use --brain guide."),
    "broken": ("{name} failed while answering: {detail}", "Say `go on` to try again."),
}
_RETRYABLE: frozenset[Failure] = frozenset({"busy", "slow", "unreachable", "broken"})


def make_brain(provider: str, model: str, place: str = "") -> "BaseChatModel":
    """Return the chat model that answers for the agent.

    Args:
        provider: `bedrock` or `openai`.
        model: model id, or inference profile id on Bedrock.
        place: region of Bedrock, base URL of an OpenAI-compatible server; empty = as the environment says.

    Raises:
        UsageError: an unknown provider, or no key where one is needed.
        BackendError: the client cannot be made: no region, a broken profile.
    """
    match provider:
        case "bedrock":
            return _bedrock(model, place)
        case "openai":
            return _openai(model, place)
        case _:
            raise UsageError(f"There is no chat model provider {one_line(provider)!r}.", "Use bedrock or openai.")


def explain_failure(error: Exception, name: str) -> Exception:
    """Return the failure of a chat model as a BackendError; what is not known comes back as it is."""
    failure = _failure_of(error)
    if failure is None:
        return error
    message, hint = _SENTENCES[failure]
    detail = one_line(str(error).split("\n", 1)[0], 300)
    return BackendError(message.format(name=name, detail=detail), hint, retryable=failure in _RETRYABLE)


def _bedrock(model: str, region: str) -> "BaseChatModel":
    from langchain_aws import ChatBedrockConverse

    if not (region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")) and not _has_profile():
        raise BackendError(
            f"No AWS region is set for bedrock:{one_line(model)}.",
            "Write it into the brain, as bedrock:MODEL@us-east-1, or set AWS_REGION.",
        )
    try:
        return ChatBedrockConverse(
            model=model,  # pyright: ignore[reportCallIssue] - the field's alias
            region_name=region or None,
            timeout=_TIMEOUT_S,
            max_retries=_MAX_RETRIES,
        )
    except ValueError as error:
        raise BackendError(
            f"The client for bedrock:{one_line(model)} cannot be made: {one_line(str(error), 300)}",
            "Check AWS_PROFILE and the region, or use --brain guide.",
        ) from error


def _openai(model: str, base_url: str) -> "BaseChatModel":
    from langchain_openai import ChatOpenAI
    from pydantic import SecretStr

    settings: dict[str, Any] = {}
    if not os.environ.get(KEY_VARIABLE):
        if not base_url and not os.environ.get("OPENAI_BASE_URL"):
            raise UsageError(
                f"openai:{one_line(model)} needs a key in {KEY_VARIABLE}.",
                "Set it, or name a server that needs none, as openai:MODEL@http://127.0.0.1:8000/v1.",
            )
        # servers on one's own machine take any key, but the client wants one
        settings["api_key"] = SecretStr("none")
    if base_url:
        settings["base_url"] = base_url
    return ChatOpenAI(model=model, timeout=_TIMEOUT_S, max_retries=_MAX_RETRIES, use_responses_api=False, **settings)


def _has_profile() -> bool:
    return bool(os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE"))


def _failure_of(error: Exception) -> Failure | None:
    """Look at the service's code first, then at the exception's type and its bases, the nearest first."""
    names = [kind.__name__ for kind in type(error).__mro__]
    if "ContextOverflowError" in names:
        return "too_long"
    response: object = getattr(error, "response", None)
    if isinstance(response, dict):
        code = str(response.get("Error", {}).get("Code", ""))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
        # events of a stream spell the code with a small first letter
        for name, failure in _CODES.items():
            if name.lower() == code.lower():
                return failure
        return "broken"
    return next((_TYPES[name] for name in names if name in _TYPES), None)
