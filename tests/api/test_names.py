from __future__ import annotations

import pytest

from k8slab.api import names

SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
VALUE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
QUALIFIED = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
HYPHENS = "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"

TABLE = [
    (names.dns_subdomain, "web-1.example", []),
    (names.dns_subdomain, "Bad_Name", [SUBDOMAIN]),
    (names.dns_subdomain, "a..b", [SUBDOMAIN]),
    (names.dns_subdomain, "web\n", [SUBDOMAIN]),
    (names.dns_subdomain, "a" * 254, ["must be no more than 253 bytes"]),
    (names.dns_label, "web.1", ["must not contain dots"]),
    (names.dns_label, "Web.1", [LABEL]),
    (names.dns_label, "1web", []),
    (names.dns_label, "-" * 64, ["must be no more than 63 bytes", LABEL]),
    (names.dns_1035_label, "web", []),
    (names.label_value, "", []),
    (names.label_value, "x y", [VALUE]),
    (names.label_value, "ok_1.2", []),
    (names.qualified_name, "app.kubernetes.io/name", []),
    (names.qualified_name, "bad value", [f"name part {QUALIFIED}"]),
    (names.qualified_name, "/x", ["prefix part must be non-empty"]),
    (names.qualified_name, "A/x", [f"prefix part {SUBDOMAIN}"]),
    (names.qualified_name, "", ["name part must be non-empty", f"name part {QUALIFIED}"]),
    (names.qualified_name, "a" * 64, ["name part must be no more than 63 bytes"]),
    (names.config_key, "app.conf", []),
    (names.config_key, "..", ["must not be '..'"]),
    (names.config_key, "..x", ["must not start with '..'"]),
    (names.env_name, "MY VAR-1", []),
    (names.env_name, "", ["environment variable name must be non-empty"]),
    (names.port_name, "http", []),
    (names.port_name, "80", ["must contain at least one letter (a-z)"]),
    (
        names.port_name,
        "-a--B",
        [HYPHENS, "must not contain consecutive hyphens", "must not begin or end with a hyphen"],
    ),
    (names.port_name, "a" * 16, ["must be no more than 15 bytes"]),
    (names.port_number, 0, ["must be between 1 and 65535, inclusive"]),
    (names.port_number, 65535, []),
    (names.ip_address, "10.1.2.3", []),
    (names.ip_address, "fe80::1", []),
    (names.ip_address, "10.1.2", ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]),
]


@pytest.mark.parametrize(("rule", "text", "messages"), TABLE)
def test_each_rule_says_what_kubernetes_says(rule, text, messages):
    assert rule(text) == messages


@pytest.mark.parametrize("rule", [names.config_key, names.dns_1035_label, names.env_name])
def test_a_bad_text_gets_one_sentence(rule):
    (message,) = rule("é=")
    assert message.startswith(("a valid", "a DNS-1035 label must consist"))


def test_three_parts_are_no_qualified_name():
    (message,) = names.qualified_name("a/b/c")
    assert message == (
        f"a qualified name {QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
    )


def test_a_prefix_may_end_with_a_dash():
    assert names.prefix_of(names.dns_subdomain)("web-") == []
    assert names.prefix_of(names.dns_subdomain)("-") == []
    assert names.prefix_of(names.dns_subdomain)("Web-") == [SUBDOMAIN]
