"""A shelf is a dict that knows the order of its keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from k8slab.api.objects import Key
from k8slab.store.shelf import Shelf

KEYS = st.builds(Key, st.sampled_from(["", "a", "a-b", "b", "ab"]), st.sampled_from("xyz"))


@given(st.lists(st.tuples(st.sampled_from(["put", "drop", "list"]), KEYS)))
def test_it_is_a_sorted_dict(moves):
    shelf, model = Shelf(), {}
    for number, (move, key) in enumerate(moves):
        if move == "put":
            shelf.put(key, {"n": number})
            model[key] = {"n": number}
        elif move == "drop":
            shelf.drop(key)
            model.pop(key, None)
        assert shelf.get(key) == model.get(key)
        assert (key in shelf) == (key in model)
        if move == "list":
            for namespace in ("", "a", "a-b", "nowhere"):
                assert shelf.list(namespace) == [model[k] for k in sorted(model) if not namespace or k[0] == namespace]
