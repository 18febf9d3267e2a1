import pytest

from tools.data.privacy import find_private

KEY = "AKIA" + "Q" * 16


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("write to ada@example.org today", "e-mail address"),
        ("call +44 20 7946 0958", "phone number"),
        ("call (212) 555-0187", "phone number"),
        ("card 4111 1111 1111 1111", "payment card"),
        ("ssn 123-45-6789", "US social security number"),
        ("IBAN GB82 WEST 1234 5698 7654 32", "IBAN"),
        ("from 192.168.0.12 today", "IP address"),
        (f"key {KEY}", "AWS access key"),
        (f"key {KEY[:6]}\u200b{KEY[6:]}", "AWS access key"),
        (f"aws_secret_access_key = {'aB3/' * 10}", "AWS secret key"),
        (f"ghp_{'a1' * 18}", "GitHub token"),
        (f"sk-{'a1' * 15}", "API key"),
        (f"xoxb-{'12' * 8}", "Slack token"),
        (f"eyJ{'ab' * 10}.eyJ{'cd' * 10}.{'ef' * 10}", "web token"),
        ("-----BEGIN RSA PRIVATE KEY-----", "private key"),
        ("postgres://bob:hunter2@db/x", "password in an address"),
    ],
)
def test_kind_is_found_when_it_stands_in_the_text(text, kind):
    assert kind in find_private(["nothing", text])


@pytest.mark.parametrize(
    "text",
    [
        "card 4111 1111 1111 1112",
        "version 1.2.3.400",
        "GB00 WEST 1234 5698 7654 32",
        "I paid 12.50 on 2024-05-01",
        "0" * 16,
        "12+34.50-20=26.50 and 5 +100.25",
    ],
)
def test_nothing_is_found_when_numbers_only_look_alike(text):
    assert find_private([text]) == set()


@pytest.mark.parametrize("text", ["1 " * 100_000, "a@" * 100_000, "aws" * 60_000, "x://a:" * 30_000, "1.1." * 50_000])
@pytest.mark.timeout(30)
def test_patterns_end_when_a_text_is_made_to_slow_them(text):
    assert find_private([text]) == set()
