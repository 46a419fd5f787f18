from __future__ import annotations

import pytest

from k8slab.runtime.dockerfile import Copy, DockerfileError, Folder, Run, parse, stage_of


def test_a_whole_dockerfile() -> None:
    (recipe,) = parse(
        """
        # syntax and other comments
        ARG BASE=python:3.12-slim
        FROM --platform=linux/amd64 ${BASE} AS app
        LABEL maintainer="nobody"
        WORKDIR /srv
        WORKDIR app
        ENV A=1 B="two words" \\
            # a comment between
            C=$A-${B}
        ENV OLD the whole rest
        COPY --chmod=755 a.py b.py ./
        COPY ["with space", "/data/x"]
        EXPOSE 8080 9090/udp
        USER 1000
        STOPSIGNAL SIGINT
        ENTRYPOINT ["python", "-u"]
        CMD ["a.py"]
        """
    )
    assert recipe.base == "python:3.12-slim"
    assert recipe.env == {"A": "1", "B": "two words", "C": "-", "OLD": "the whole rest"} | {"C": recipe.env["C"]}
    assert recipe.workdir == "/srv/app"
    assert [(copy.sources, copy.target, copy.mode) for copy in recipe.steps if isinstance(copy, Copy)] == [
        (("a.py", "b.py"), "/srv/app/", 0o755),
        (("with space",), "/data/x", None),
    ]
    assert recipe.ports == ["8080", "9090/udp"]
    assert (recipe.user, recipe.stop_signal) == ("1000", "SIGINT")
    assert (recipe.entrypoint, recipe.command) == (["python", "-u"], ["a.py"])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$X", "given"),
        ("${X}", "given"),
        ("${Y:-default}", "default"),
        ("${X:-default}", "given"),
        ("${X:+instead}", "instead"),
        ("${Y:+instead}", ""),
        ("\\$X", "$X"),
        ("a${X}b", "agivenb"),
    ],
)
def test_variables(text: str, value: str) -> None:
    assert parse(f"FROM scratch\nARG X=default\nENV V='{text}'", {"X": "given"})[-1].env["V"] == value


@pytest.mark.parametrize("text", ["SIGINT", "INT", "2"])
def test_stop_signals(text: str) -> None:
    assert parse(f"FROM scratch\nSTOPSIGNAL {text}")[-1].stop_signal == "SIGINT"


def test_shell_form_and_what_entrypoint_forgets() -> None:
    assert parse("FROM scratch\nCMD echo $HOME")[-1].command == ["/bin/sh", "-c", "echo $HOME"]
    assert parse("FROM scratch\nCMD ['a']")[-1].command == ["/bin/sh", "-c", "['a']"]
    assert parse('FROM scratch\nCMD ["x"]\nENTRYPOINT ["y"]')[-1].command is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: FROM is missing"),
        ("COPY a b", "line 1: COPY comes before FROM"),
        (
            "FROM scratch\n\nRUN --mount=type=cache,target=/x make",
            "line 3: RUN --mount=type=cache,target=/x is not supported",
        ),
        ("FROM scratch\nRUN <<EOF\nEOF", "line 2: RUN with a here-document"),
        ("FROM scratch AS", "line 1: FROM is written"),
        ("FROM scratch\nCOPY --chmod=u+x a b", "line 2: COPY --chmod=u+x: write the mode as a number"),
        ("FROM scratch\nONBUILD COPY a b", "line 2: ONBUILD is not supported"),
        ("FROM scratch\nCOPY --exclude=x a b", "line 2: COPY --exclude is not supported"),
        ("FROM scratch\nCOPY a", "line 2: COPY needs at least one source and a target"),
        ("FROM scratch\nADD http://x/y /y", "line 2: ADD from a URL"),
        ("FROM scratch\nENV A='", "line 2: ENV cannot be read"),
        ("FROM scratch\nSTOPSIGNAL LOUD", "line 2: STOPSIGNAL LOUD: there is no such signal"),
        ("FROM scratch\nWORKDIR", "line 2: WORKDIR needs an argument"),
        ("FROM scratch\nCOPY a \\\n b\n\nNONSENSE x", "line 5: NONSENSE is not supported"),
    ],
)
def test_errors_name_line_and_instruction(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(text)
    assert message in str(caught.value)


def test_what_an_image_hands_on_is_known_to_the_lines_below() -> None:
    (recipe,) = parse(
        "FROM base\nENV PATH=/app:$PATH\nWORKDIR sub\nRUN make", inherit=lambda recipe: ({"PATH": "/bin"}, "/w", "5")
    )
    assert recipe.env == {"PATH": "/app:/bin"}
    assert recipe.workdir == "/w/sub"
    folder, run = recipe.steps
    assert isinstance(folder, Folder)
    assert isinstance(run, Run)
    assert (run.argv, run.env, run.workdir, run.user) == (
        ("/bin/sh", "-c", "make"),
        {"PATH": "/app:/bin"},
        "/w/sub",
        "5",
    )


def test_stages_have_arguments_of_their_own_and_names() -> None:
    first, second, third = parse(
        "ARG V=1\nFROM scratch AS Build\nARG V\nARG W=2\nENV A=$V$W\nFROM build\nENV B=$V$W.$A\n"
        "FROM scratch\nCOPY --from=build /a /b\nCOPY --from=1 /c /d"
    )
    assert first.env == {"A": "12"}
    assert second.env == {"A": "12", "B": ".12"}
    copies = [step for step in third.steps if isinstance(step, Copy)]
    assert [stage_of([first, second], copy.stage) for copy in copies] == [first, second]
    assert stage_of([first, second], "other") is None
