from __future__ import annotations

import pytest

from k8slab.api.causes import show
from k8slab.api.objects import copy
from tests.api.making import changed, obj, said

UID = "b61aa9fd-7d6b-4d5c-9d16-6a9be0f3d3a7"
LABELS = {
    "batch.kubernetes.io/controller-uid": UID,
    "batch.kubernetes.io/job-name": "x",
    "controller-uid": UID,
    "job-name": "x",
}
POD = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}


def job(labels=LABELS, pod=POD, **spec):
    selector = {"matchLabels": {"batch.kubernetes.io/controller-uid": UID}}
    template = {"metadata": {"labels": dict(labels)}, "spec": copy(pod)}
    made = obj("batch/v1", "Job", spec={"selector": selector, "template": template, **spec})
    made["metadata"]["uid"] = UID
    return made


def cron_job(name="x", **spec):
    spec = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": {"spec": copy(POD)}}}, **spec}
    return obj("batch/v1", "CronJob", name, spec=spec)


JOBS = [
    ({}, []),
    ({"parallelism": -1}, ["spec.parallelism: Invalid value: -1: must be greater than or equal to 0"]),
    (
        {"completionMode": "Sorted"},
        ['spec.completionMode: Unsupported value: "Sorted": supported values: "NonIndexed", "Indexed"'],
    ),
    (
        {"completionMode": "Indexed", "parallelism": 2},
        ["spec.completions: Required value: when completion mode is Indexed"],
    ),
    (
        {"backoffLimitPerIndex": 1},
        ["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
    ),
    (
        {"pod": {**POD, "restartPolicy": "Always"}},
        ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ),
    (
        {"podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [3, 2, 0]}}]}},
        [
            "spec.podFailurePolicy.rules[0].onExitCodes.values[2]: Invalid value: 0: must not be 0 for the In operator",
            "spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,2,0]: must be ordered",
        ],
    ),
    (
        {"podFailurePolicy": {"rules": [{"action": "FailIndex"}]}},
        [
            'spec.podFailurePolicy.rules[0].action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be '
            "set",
            "spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is "
            "required",
        ],
    ),
    ({"podReplacementPolicy": "Never"}, [
        'spec.podReplacementPolicy: Unsupported value: "Never": supported values: "Failed", "TerminatingOrFailed"'
    ]),
    ({"labels": {**LABELS, "job-name": "y"}}, [
        "spec.template.metadata.labels[job-name]: Invalid value: " + show({**LABELS, "job-name": "y"}) + ": must be 'x'"
    ]),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), JOBS)
def test_jobs(change, expected):
    assert said(job(**change)) == expected


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"parallelism": 3, "suspend": True, "backoffLimit": 1}, []),
        ({"completions": 3}, ["spec.completions: Invalid value: 3: field is immutable"]),
        ({"selector": {}}, ["spec.selector: Invalid value: {}: field is immutable"]),
    ],
)
def test_what_may_change_of_a_job(spec, expected):
    old = job()
    assert [line for line in said(changed(old, **spec), old) if "immutable" in line] == expected


def test_a_job_that_waits_may_be_told_where_to_run():
    old = job(suspend=True)
    new = copy(old)
    new["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
    assert said(new, old) == []
    old["status"] = new["status"] = {"startTime": "2026-01-01T00:00:00Z"}
    assert [line.partition(" Invalid")[0] for line in said(new, old)] == ["spec.template:"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"timeZone": "Europe/Berlin"}, []),
        ({"schedule": ""}, ["spec.schedule: Required value"]),
        (
            {"schedule": "every day"},
            ['spec.schedule: Invalid value: "every day": expected exactly 5 fields, found 2: [every day]'],
        ),
        (
            {"schedule": "TZ=UTC * * * * *"},
            [
                'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone '
                "field instead"
            ],
        ),
        ({"timeZone": "Mars/Base"}, ['spec.timeZone: Invalid value: "Mars/Base": unknown time zone Mars/Base']),
        (
            {"concurrencyPolicy": "Queue"},
            ['spec.concurrencyPolicy: Unsupported value: "Queue": supported values: "Allow", "Forbid", "Replace"'],
        ),
        ({"name": "x" * 53}, [f'metadata.name: Invalid value: "{"x" * 53}": must be no more than 52 characters']),
        ({"failedJobsHistoryLimit": -1}, [
            "spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0"
        ]),
    ],
)  # fmt: skip
def test_cron_jobs(change, expected):
    assert said(cron_job(**change)) == expected


def test_the_template_in_a_cron_job_has_no_selector_of_its_own():
    made = cron_job()
    made["spec"]["jobTemplate"]["spec"]["selector"] = {"matchLabels": {"a": "b"}}
    assert said(made) == [
        'spec.jobTemplate.spec.selector: Invalid value: {"matchLabels":{"a":"b"}}: `selector` will be auto-generated'
    ]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({"succeededIndexes": "0-2,4"}, ""),
        ({"succeededIndexes": "0-2", "succeededCount": 3}, ""),
        ({}, ": Required value: at least one of succeededCount or succeededIndexes must be specified"),
        ({"succeededIndexes": "5"}, '.succeededIndexes: Invalid value: "5": {} too large index: "5"'),
        ({"succeededIndexes": "a"}, '.succeededIndexes: Invalid value: "a": {} cannot convert string to integer for index: "a"'),
        ({"succeededIndexes": "3,1"}, '.succeededIndexes: Invalid value: "3,1": {} non-increasing order, previous: 3, current: 1'),
        ({"succeededIndexes": "0-1-2"}, '.succeededIndexes: Invalid value: "0-1-2": {} the fragment "0-1-2" violates the '
         "requirement that an index interval can have at most two parts separated by '-'"),
        ({"succeededCount": 6}, ".succeededCount: Invalid value: 6: must be less than or equal to 5 (the number of "
         "specified completions)"),
        ({"succeededIndexes": "1", "succeededCount": 2}, ".succeededCount: Invalid value: 2: must be less than or equal "
         "to 1 (the number of indexes in the specified succeededIndexes field)"),
    ],
)  # fmt: skip
def test_a_success_policy_speaks_of_indexes_that_there_are(rule, problem):
    made = job(completions=5, completionMode="Indexed", successPolicy={"rules": [rule]})
    wanted = f"spec.successPolicy.rules[0]{problem}".replace("{}", "error parsing succeededIndexes:")
    assert said(made) == ([wanted] if problem else [])
