import pytest

from k8slab.api import duplicates


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b'{"a": 1, "b": {"a": 2}}', []),
        (b'{"a": 1, "a": 1}', ['duplicate field "a"']),
        (
            b'{"a": 1, "b": {"c": [{}, {"x": 1, "x": 2, "x": 3}]}, "a": 2}',
            ['duplicate field "a"', 'duplicate field "b.c[1].x"'],
        ),
        (
            b"spec:\n  replicas: 1\n  replicas: 2\n",
            ['yaml: unmarshal errors:\n  line 3: key "replicas" already set in map'],
        ),
        (b"a: &x {b: 1}\nc: *x\nd: {<<: *x, <<: *x}\n", []),
        (b'{"a": ', []),
        (b"a: [", []),
        (b"[" * 100_000, []),
        (b"", []),
    ],
)
def test_doubled_keys(text, said):
    assert duplicates.find(text) == said


def test_many_doubled_keys_take_no_time_to_speak_of():
    assert duplicates.find(b"{" + b",".join([b'"a":1'] * 200_000) + b"}") == ['duplicate field "a"']
