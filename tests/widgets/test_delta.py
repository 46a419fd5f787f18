from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from k8slab.widgets.delta import apply, diff

values = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
pictures = st.dictionaries(st.sampled_from("abcde"), values, max_size=5)


@settings(suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(pictures, pictures)
def test_applying_the_difference_gives_the_new_picture(old, new):
    kept = repr(old)
    assert apply(old, diff(old, new)) == new
    assert repr(old) == kept


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(pictures)
def test_nothing_changed_is_nothing_to_send(picture):
    assert diff(picture, picture) == {}


def test_only_what_changed_is_sent():
    old = {"pods": {"a": {"state": "ready", "node": "n"}, "b": {"state": "ready"}}, "say": "all"}
    new = {"pods": {"a": {"state": "failed", "node": "n"}, "c": {"state": "ready"}}, "say": "all"}
    assert diff(old, new) == {"pods": {"a": {"state": "failed"}, "b": None, "c": {"state": "ready"}}}


def test_what_did_not_change_stays_the_same_object():
    old = {"a": {"x": 1}, "b": {"y": 1}}
    new = apply(old, {"a": {"x": 2}})
    assert new["b"] is old["b"]
    assert new["a"] is not old["a"]
