"""Looks for personal data and secrets by fixed patterns, and reports where, never what.

Patterns find keys, addresses and numbers; names and street addresses they do not, so nothing here says "none".
Text is compared in NFKC without zero-width characters, which otherwise hide a key from a pattern.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

_ZERO_WIDTH = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
# most texts hold nothing that any pattern of a group could begin with, and one look tells
_NUMBERS = re.compile(r"\d(?:\D{0,6}\d){3}")
_MARKS = re.compile(r"[@]|://|BEGIN |AKIA|ASIA|[Aa][Ww][Ss]|gh[pousr]_|github_pat_|sk-|hf_|AIza|glpat-|xox|eyJ")


@dataclass(frozen=True)
class _Kind:
    name: str
    secret: bool
    first_look: re.Pattern[str]
    pattern: re.Pattern[str]
    confirm: Callable[[str], bool] | None = None


def _luhn(found: str) -> bool:
    digits = [int(character) for character in found if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) if place % 2 else digit for place, digit in enumerate(reversed(digits))]
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0


def _iban(found: str) -> bool:
    compact = found.replace(" ", "").upper()
    return int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4])) % 97 == 1


def _address(found: str) -> bool:
    return all(int(part) < 256 for part in found.split("."))


def _phone(found: str) -> bool:
    return 9 <= sum(character.isdigit() for character in found) <= 15


def _number(name: str, pattern: str, confirm: Callable[[str], bool] | None = None) -> _Kind:
    return _Kind(name, False, _NUMBERS, re.compile(pattern), confirm)


def _mark(name: str, pattern: str, *, secret: bool = True) -> _Kind:
    return _Kind(name, secret, _MARKS, re.compile(pattern))


# every repetition is bounded, so that no text makes a pattern slow
_KINDS = (
    _mark("e-mail address", r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,4}\b", secret=False),
    _number(
        "phone number",
        r"(?<![\w.)>$%])\+[1-9]\d{0,2}(?:[ .()-]{0,2}\d{2,4}){2,5}(?![\w.]\d)"
        r"|(?:\(\d{3}\) ?|(?<![\w.-])\d{3}[ .-])\d{3}[ .-]\d{4}(?![\w.-])",
        _phone,
    ),
    _number("payment card", r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)", _luhn),
    _number("US social security number", r"(?<!\d)(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?!\d)"),
    _number("IBAN", r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b", _iban),
    _number("IP address", r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])", _address),
    _mark("AWS access key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    _mark("AWS secret key", r"(?i)aws.{0,20}secret.{0,20}[=:]\s{0,3}[\"']?[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"),
    _mark("GitHub token", r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40})"),
    _mark("API key", r"\b(?:sk-[\w-]{20}|hf_[A-Za-z0-9]{30}|AIza[\w-]{35}|glpat-[\w-]{20})"),
    _mark("Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10}"),
    _mark("web token", r"\beyJ[\w-]{10,4000}\.eyJ[\w-]{10,4000}\.[\w-]{10}"),
    _mark("private key", r"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"),
    _mark("password in an address", r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{1,64}:[^\s/@]{1,64}@"),
)
SECRET_KINDS = frozenset(kind.name for kind in _KINDS if kind.secret)
NUM_PATTERNS = len(_KINDS)


def find_private(texts: Iterable[str]) -> set[str]:
    """Return the kinds of personal data and secrets that the patterns find in a row's texts."""
    found: set[str] = set()
    for text in texts:
        plain = text if text.isascii() else _ZERO_WIDTH.sub("", unicodedata.normalize("NFKC", text))
        looks = {look for look in (_NUMBERS, _MARKS) if look.search(plain) is not None}
        if looks:
            found.update(kind.name for kind in _KINDS if kind.first_look in looks and _holds(kind, plain))
    return found


def _holds(kind: _Kind, text: str) -> bool:
    if kind.confirm is None:
        return kind.pattern.search(text) is not None
    return any(kind.confirm(match.group()) for match in kind.pattern.finditer(text))
