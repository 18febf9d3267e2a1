"""Takes access keys, tokens and private keys out of text that is kept or shown.

Patterns only, and nothing heavy is imported, so that every process can afford it.
"""

import re

_SECRETS = re.compile(
    r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bsk-[A-Za-z0-9_-]{16,}"
    r"|\bhf_[A-Za-z0-9]{20,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{20,}"
    r"|(?i:secret_?(?:access_?)?key[\"']?\s*[:=]\s*[\"']?)[A-Za-z0-9+/]{40}(?![A-Za-z0-9+/=])"
    r"|(?i:(?<=bearer )[A-Za-z0-9._~+/=-]{16,})"
    r"|(?i:(?<=x-amz-security-token=)[^&\s\"]+)"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----"
)


def redact(text: str) -> str:
    """Return `text` with access keys, tokens and private keys replaced."""
    return _SECRETS.sub("[secret removed]", text)
