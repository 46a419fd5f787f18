"""What may be called what: names of objects, labels, ports and variables, each rule with Kubernetes' own sentence.

Every function returns what is wrong with a text, one sentence each; nothing wrong, empty list. `validation.py` turns
the sentences into causes, `selectors.py` into errors. Source: k8s.io/apimachinery/pkg/util/validation.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

Rule = Callable[[str], list[str]]

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"

NON_EMPTY = "must be non-empty"
DOTS = "must not contain dots"
PORT_RANGE = "must be between 1 and 65535, inclusive"
VALID_IP = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def too_long(most: int) -> str:
    """Kubernetes counts bytes."""
    return f"must be no more than {most} bytes"


def _explain(sentence: str, expression: str, *examples: str) -> str:
    """The sentence with examples and the expression, spaced as Kubernetes spaces it."""
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{sentence} (e.g. {shown}regex used for validation is '{expression}')"


def _rule(most: int, expression: str, sentence: str, *examples: str) -> Rule:
    message, matches = _explain(sentence, expression, *examples), re.compile(expression).fullmatch

    def problems(text: str) -> list[str]:
        found = [too_long(most)] if len(text) > most and len(text.encode()) > most else []
        return found if matches(text) else [*found, message]

    return problems


def dns_label(text: str) -> list[str]:
    """A label of a DNS name. One that is good but for its dots is told so."""
    wrong = _dns_label(text)
    return [DOTS if said.startswith("a lowercase") else said for said in wrong] if _is_subdomain(text) else wrong


_is_subdomain = re.compile(_SUBDOMAIN).fullmatch
_dns_label = _rule(
    63,
    _LABEL,
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with"
    " an alphanumeric character",
    "my-name",
    "123-abc",
)
dns_subdomain = _rule(
    253,
    _SUBDOMAIN,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and"
    " end with an alphanumeric character",
    "example.com",
)
dns_1035_label = _rule(
    63,
    _DNS_1035,
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
    " and end with an alphanumeric character",
    "my-name",
    "abc-123",
)
label_value = _rule(
    63,
    _VALUE,
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and"
    " end with an alphanumeric character",
    "MyValue",
    "my_value",
    "12345",
)
_config_key = _rule(
    253,
    _CONFIG_KEY,
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    "key.name",
    "KEY_NAME",
    "key-name",
)

_QUALIFIED_MESSAGE = _explain(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    _QUALIFIED,
    "MyName",
    "my.name",
    "123-abc",
)
_is_qualified = re.compile(_QUALIFIED).fullmatch


def qualified_name(text: str) -> list[str]:
    """A name with an optional DNS prefix: `app`, `example.com/app`. Keys of labels and annotations, finalizers."""
    *prefixes, name = text.split("/")
    if len(prefixes) > 1:
        hint = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        return [f"a qualified name {_QUALIFIED_MESSAGE} {hint}"]
    found = []
    if prefixes:
        wrong = dns_subdomain(prefixes[0]) if prefixes[0] else [NON_EMPTY]
        found = [f"prefix part {message}" for message in wrong]
    if not name:
        found.append(f"name part {NON_EMPTY}")
    elif len(name.encode()) > 63:
        found.append(f"name part {too_long(63)}")
    if not _is_qualified(name):
        found.append(f"name part {_QUALIFIED_MESSAGE}")
    return found


label_key = qualified_name

_wildcard = _rule(
    253,
    rf"\*\.{_SUBDOMAIN}",
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower"
    " case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    "*.example.com",
)


def host(text: str) -> list[str]:
    """A host of an Ingress: a DNS name, perhaps with a star for its first label."""
    return _wildcard(text) if "*" in text else dns_subdomain(text)


def path_segment(text: str) -> list[str]:
    """A name that is a part of a path."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in text]


def domain_prefixed(text: str) -> list[str]:
    """A path with a domain before it: `example.com/ingress-controller`."""
    domain, slash, path = text.partition("/")
    if not slash or not domain or not path:
        return ['must be a domain-prefixed path (such as "acme.io/foo")']
    found = dns_subdomain(domain)
    if not re.fullmatch("[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+", path):
        found.append(_explain("Invalid path", "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+"))
    return found


def config_key(text: str) -> list[str]:
    """A key of a ConfigMap or a Secret: it becomes a file's name."""
    found = _config_key(text)
    if text in (".", ".."):
        found.append(f"must not be '{text}'")
    elif text.startswith(".."):
        found.append("must not start with '..'")
    return found


def env_name(text: str) -> list[str]:
    """A variable's name: any printable ASCII but `=`."""
    if not text:
        return [f"environment variable name {NON_EMPTY}"]
    if all(" " <= character <= "~" and character != "=" for character in text):
        return []
    return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]


def port_name(text: str) -> list[str]:
    """A container port's name (an IANA service name)."""
    found = [too_long(15)] if len(text) > 15 else []
    if not re.fullmatch("[-a-z0-9]+", text):
        found.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", text):
        found.append("must contain at least one letter (a-z)")
    if "--" in text:
        found.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        found.append("must not begin or end with a hyphen")
    return found


def port_number(port: int) -> list[str]:
    """A TCP, UDP or SCTP port."""
    return [] if 1 <= port <= 65535 else [PORT_RANGE]


def ip_address(text: str) -> list[str]:
    """An IPv4 or IPv6 address."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return [VALID_IP]
    return []


def prefix_of(rule: Rule) -> Rule:
    """The rule for a `generateName`: a dash at the end is fine, for a suffix will follow."""
    return lambda text: rule(text[:-1] + "a" if text.endswith("-") else text)
