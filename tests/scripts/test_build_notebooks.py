"""The build: what is cut, what is moved into the words, what is wrong with a source, and that nothing is stale."""

import json
import re

import pytest

from tests.lessons.notebooks import build_notebooks

SOURCE = """
# %% [raw] tags=["header"]
# lesson: "77"
# title: A lesson
# minutes: {teach: 1, practise: 2}
# you_will: [see it]
# needs: {lessons: [], abilities: []}
# words: {pod: A group of containers.}
# runtimes: {docker: full, local: full, simulated: full, cluster: full}

# %% [markdown]
# # A lesson

# %% [markdown] tags=["author-note"]
# For authors.

# %% [markdown] key="count" tags=["predict"]
# **How many pods,
# and why?**
#
# - [ ] Two: one
# - [x] `Three`.
# - [ ] Four.
#
# First paragraph
# goes on, after {seconds} s.
#
# Second paragraph.

# %%
lesson.predict("count")

# %%
%kubectl get pods
lesson.reveal("count", seconds=1)

# %% [markdown] key="five" tags=["exercise"]
# ## Your turn: make it five
#
# Have five pods.

# %% key="five" tags=["exercise"]
WISH = 5
def step():
    pass
    # solution
    print(WISH)

# %% [markdown] key="five" tags=["hints"]
# 1. **Where.** Look
#    here.
# 2. **Which.** This `one`.
# 3. **How.** So.

# %%
lesson.check("five")

# %% [markdown] tags=["solution"]
# Another
# way.

# %% tags=["raises-exception"]
%%manifest
kind: Pod

# %% [markdown] key="why" tags=["quiz"]
# **Why?**
#
# - [x] Because.
#   It is so.
# - [ ] No reason.
#   There would have to be none,
#   and there is one.

# %%
lesson.quiz("why")
"""
CHECKS = 'from k8slab.teach import check\n\n@check("five")\ndef five(lab, ask):\n    return "Yes."\n'


@pytest.fixture
def write(tmp_path):
    (tmp_path / "checks_77.py").write_text(CHECKS)

    def write(text=SOURCE, name="77-a-lesson.py"):
        (tmp_path / name).write_text(text.lstrip())
        return tmp_path / name

    return write


def cells(path, **how):
    text = build_notebooks.build(path, **how)["77-a-lesson.ipynb"]
    return json.loads(text)["cells"]


def sources(path, **how):
    return ["".join(cell["source"]) for cell in cells(path, **how)]


def test_the_exercise_and_the_solved_form(write):
    exercise, solved = sources(write()), sources(write(), solved=True)
    assert "WISH = 5\ndef step():\n    pass" in exercise
    assert "WISH = 5\ndef step():\n    pass\n    print(WISH)" in solved
    assert "Another\nway." in solved
    assert "Another\nway." not in exercise
    assert not any("solution" in text or "For authors" in text for text in exercise + solved)


def test_magics_stand_as_they_are(write):
    assert '%kubectl get pods\nlesson.reveal("count", seconds=1)' in sources(write())
    assert "%%manifest\nkind: Pod" in sources(write())


def test_questions_hints_and_header_move_into_the_words(write):
    assert not any(
        "How many" in text or "Where" in text or "Because" in text or "minutes" in text for text in sources(write())
    )
    words = json.loads(build_notebooks.build(write())["77-a-lesson.words.json"])
    assert words["predict"]["count"] == {
        "ask": "How many pods, and why?",
        "options": [
            {"text": "Two: one", "right": False},
            {"text": "`Three`.", "right": True},
            {"text": "Four.", "right": False},
        ],
        "reveal": ["First paragraph goes on, after {seconds} s.", "Second paragraph."],
    }
    assert words["quiz"]["why"]["options"][1] == {
        "text": "No reason.",
        "right": False,
        "why": "There would have to be none, and there is one.",
    }
    assert words["exercise"]["five"]["title"] == "Make it five"
    assert words["exercise"]["five"]["goal"] == ["Have five pods."]
    assert words["exercise"]["five"]["hints"][0] == {"title": "Where", "text": "Look here."}
    assert words["exercise"]["five"]["solution"][1] == {"text": "Another way."}
    assert words["steps"] == [["predict", "count"], ["exercise", "five"], ["quiz", "why"]]
    assert (words["lesson"], words["minutes"]) == ("77", {"teach": 1, "practise": 2})


def test_the_notebook_has_no_outputs_and_keeps_what_jupyter_needs(write):
    found = cells(write())
    assert all(
        cell["outputs"] == [] and cell["execution_count"] is None for cell in found if cell["cell_type"] == "code"
    )
    assert any(cell["metadata"].get("tags") == ["raises-exception"] for cell in found)


def test_a_cell_put_in_elsewhere_changes_no_other_id(write):
    before = {cell["id"] for cell in cells(write())}
    after = {
        cell["id"]
        for cell in cells(
            write(
                SOURCE.replace(
                    "# %% [markdown]\n# # A lesson", "# %% [markdown]\n# New.\n\n# %% [markdown]\n# # A lesson"
                )
            )
        )
    }
    assert before < after
    assert len(after) == len(before) + 1
    assert build_notebooks.build(write()) == build_notebooks.build(write())


WRONG = {
    "no header": ((r"\A.*?(?=# %% \[markdown\]\n# # A)", ""), "the first cell must be the header"),
    "a field is missing": (("# title: .*\n", ""), "the header needs 'title', of type str"),
    "an unknown field": (("# title:", "# titel: x\n# title:"), "unknown field 'titel'"),
    "the wrong number": (('"77"', '"78"'), "the file is lesson 77, and the header says '78'"),
    "minutes": (("teach: 1, ", ""), "minutes must be"),
    "a runtime is missing": ((", cluster: full", ""), "runtimes must say something of each"),
    "header is no YAML": (("# title: A lesson", "# title: [A lesson"), "the header is not YAML"),
    "two right options": ((r"\[ \] Four", "[x] Four"), "exactly one option must be marked [x], and 2 are"),
    "no right option": ((r"\[x\] `Three`", "[ ] `Three`"), "exactly one option must be marked [x], and 0 are"),
    "two options": (("# - \\[ \\] Four.\n", ""), "a prediction has three options, and this one has 2"),
    "nothing revealed": (
        ("#\n# First.*?Second paragraph.\n", ""),
        "after the options a prediction says what is revealed",
    ),
    "no reason": (("#   It is so.\n", ""), "every option of a quiz needs its reason"),
    "never predicted": ((r'lesson.predict\("count"\)', "pass"), 'no code cell calls lesson.predict("count")'),
    "never revealed": ((r'lesson.reveal\("count", seconds=1\)', "pass"), 'no code cell calls lesson.reveal("count")'),
    "a fact is missing": ((", seconds=1", ""), "lesson.reveal('count') does not give 'seconds'"),
    "never checked": ((r'lesson.check\("five"\)', "pass"), 'no code cell calls lesson.check("five")'),
    "no such key": (
        (r'lesson.quiz\("why"\)', 'lesson.quiz("why")\nlesson.quiz("who")'),
        "there is no quiz of that key",
    ),
    "two hints": (("# 3. .*\n", ""), "hints are three numbered items"),
    "no solution": (("    # solution\n", ""), "the exercise 'five' has no `# solution`"),
    "no check": (("five", "six"), 'checks_77.py has no @check("six")'),
    "an unknown tag": (("author-note", "note"), "unknown tag 'note'"),
    "no key": (('key="count" ', ""), "a predict cell needs a key"),
    "a comment": (("WISH = 5", "WISH = 5  # five"), "code holds no comments"),
    "a mark outside": (
        (r'lesson.quiz\("why"\)', '# solution\nlesson.quiz("why")'),
        "stands in a cell that is no exercise",
    ),
    "a long cell": (("WISH = 5", "\n".join(f"a{n} = 1" for n in range(11))), "a cell has at most 10 lines of code"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_with_its_line(write, name):
    (pattern, instead), said = WRONG[name]
    text = re.sub(
        pattern, lambda _: instead, SOURCE.lstrip(), flags=re.DOTALL if "\\A" in pattern or "First" in pattern else 0
    )
    assert text != SOURCE.lstrip()
    with pytest.raises(Exception, match=re.escape(said)) as raised:
        build_notebooks.build(write(text))
    assert re.match(r"77-a-lesson\.py:\d+: ", str(raised.value))


def test_the_committed_notebooks_are_not_stale():
    assert build_notebooks.stale() == [], "run `make notebooks`"


def test_the_command(tmp_path, capsys):
    build_notebooks.main(["--check"])
    build_notebooks.main(["--solved", str(tmp_path)])
    assert "# solution" not in (tmp_path / "05-deployments-and-replicas.ipynb").read_text()
    assert "kubectl scale deployment web --replicas=5" in (tmp_path / "05-deployments-and-replicas.ipynb").read_text()
