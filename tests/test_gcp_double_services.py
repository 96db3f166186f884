"""What the job is deployed with: declared, checked, given back; and called as Cloud Scheduler and Pub/Sub call it."""

from __future__ import annotations

import base64
import importlib
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from elastic_iac.local.gcp.cloud import LocalGcp
from tests.gcp_doubles import PROJECT, REGION, rest

START = datetime(2026, 3, 1, tzinfo=UTC)
WHERE = f"projects/{PROJECT}/locations/{REGION}"
EMAIL = f"invoker@{PROJECT}.iam.gserviceaccount.com"
FUNCTION, JOB = f"{WHERE}/functions/forecast", f"{WHERE}/jobs/every-quarter"
BUILD = {
    "runtime": "python313",
    "entryPoint": "handler",
    "source": {"storageSource": {"bucket": "code-bucket", "object": "f.zip"}},
}


class Function:
    """Something that answers on loopback, as functions-framework does."""

    def __init__(self) -> None:
        self.status = 200
        self.calls: list[tuple[dict[str, str], bytes]] = []
        function = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                function.calls.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(function.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"


@pytest.fixture
def function() -> Iterator[Function]:
    running = Function()
    yield running
    running.server.shutdown()
    running.server.server_close()


@pytest.fixture
def gcp(gcp: LocalGcp) -> LocalGcp:
    gcp.reset(now=START)
    ok(
        gcp,
        "POST",
        f"/v1/projects/{PROJECT}/serviceAccounts",
        {"accountId": "invoker", "serviceAccount": {"displayName": "x"}},
    )
    gcp.storage_client().create_bucket("code-bucket").blob("f.zip").upload_from_string(b"zip")
    return gcp


def ok(gcp: LocalGcp, method: str, path: str, document: object = None) -> dict[str, Any]:
    status, answer = rest(gcp, method, path, document)
    assert status == 200, answer
    return answer


def deploy(gcp: LocalGcp, function: Function) -> str:
    """The function and who may call it; its address."""
    document = {"buildConfig": BUILD, "serviceConfig": {"serviceAccountEmail": EMAIL, "availableMemory": "512Mi"}}
    made = ok(gcp, "POST", f"/v2/{WHERE}/functions?functionId=forecast", document)
    gcp.deliveries.functions[FUNCTION] = function.url
    assert (made["done"], made["response"]["state"]) == (True, "ACTIVE")
    return made["response"]["serviceConfig"]["uri"]


def invoke_policy(role: str = "roles/run.invoker") -> dict[str, Any]:
    return {"policy": {"bindings": [{"role": role, "members": [f"serviceAccount:{EMAIL}"]}]}}


def job(uri: str, **more: Any) -> dict[str, Any]:
    target = {
        "uri": uri,
        "httpMethod": "POST",
        "body": base64.b64encode(b'{"source": "schedule"}').decode(),
        "headers": {"Content-Type": "application/json"},
        "oidcToken": {"serviceAccountEmail": EMAIL, "audience": uri},
    }
    return {"name": JOB, "schedule": "*/15 * * * *", "timeZone": "Europe/Berlin", "httpTarget": target, **more}


def test_cloud_scheduler_calls_the_function_at_its_times_with_its_headers_and_a_token(
    gcp: LocalGcp, function: Function
) -> None:
    uri = deploy(gcp, function)
    ok(gcp, "POST", f"/v2/{WHERE}/services/forecast:setIamPolicy", invoke_policy())
    ok(gcp, "POST", f"/v1/{WHERE}/jobs", job(uri))
    gcp.clock.advance(timedelta(minutes=35))
    assert [(made.at, made.status) for made in gcp.deliveries.made] == [
        (START + timedelta(minutes=15), 200),
        (START + timedelta(minutes=30), 200),
    ]
    headers, body = function.calls[1]
    assert body == b'{"source": "schedule"}'
    assert headers["x-cloudscheduler"] == "true"
    assert headers["x-cloudscheduler-jobname"] == "every-quarter"
    assert headers["x-cloudscheduler-scheduletime"] == "2026-03-01T00:30:00Z"
    assert headers["authorization"].endswith("SIGNATURE_REMOVED_BY_GOOGLE")
    token = gcp.deliveries.made[0].headers["Authorization"].removeprefix("Bearer ")
    certs = ok(gcp, "GET", "/oauth2/v1/certs")
    jwt: Any = importlib.import_module("google.auth.jwt")
    claims = jwt.decode(token, certs=certs, verify=False)
    assert (claims["email"], claims["aud"], claims["email_verified"]) == (EMAIL, uri, True)
    with pytest.raises(ValueError, match="Could not verify token signature"):
        jwt.decode(f"{token[:-8]}AAAAAAAA", certs=certs)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, 403),
        ({"oidcToken": None}, 401),
        ({"oidcToken": {"serviceAccountEmail": EMAIL, "audience": "http://other"}}, 401),
    ],
)
def test_the_function_is_shut_to_whom_iam_does_not_let_in(
    gcp: LocalGcp, function: Function, change: dict[str, Any], status: int
) -> None:
    uri = deploy(gcp, function)
    if change:
        ok(gcp, "POST", f"/v2/{WHERE}/services/forecast:setIamPolicy", invoke_policy())
    document = job(uri)
    document["httpTarget"] = {**document["httpTarget"], **change}
    ok(gcp, "POST", f"/v1/{WHERE}/jobs", document)
    gcp.clock.advance(timedelta(minutes=15))
    assert ([made.status for made in gcp.deliveries.made], function.calls) == ([status], [])


def test_a_custom_role_with_the_permission_lets_in(gcp: LocalGcp, function: Function) -> None:
    uri = deploy(gcp, function)
    role = f"projects/{PROJECT}/roles/invoker"
    assert rest(gcp, "POST", f"/v2/{WHERE}/services/forecast:setIamPolicy", invoke_policy(role))[0] == 400
    body = {"roleId": "invoker", "role": {"title": "x", "includedPermissions": ["run.routes.invoke"]}}
    assert ok(gcp, "POST", f"/v1/projects/{PROJECT}/roles", body)["name"] == role
    ok(gcp, "POST", f"/v2/{WHERE}/services/forecast:setIamPolicy", invoke_policy(role))
    ok(gcp, "POST", f"/v1/{WHERE}/jobs", job(uri))
    gcp.clock.advance(timedelta(minutes=15))
    assert len(function.calls) == 1


def test_a_failed_call_is_retried_as_often_as_the_job_says_and_a_paused_job_rests(
    gcp: LocalGcp, function: Function
) -> None:
    uri = deploy(gcp, function)
    ok(gcp, "POST", f"/v2/{WHERE}/services/forecast:setIamPolicy", invoke_policy())
    function.status = 500
    ok(gcp, "POST", f"/v1/{WHERE}/jobs", job(uri, retryConfig={"retryCount": 2}))
    gcp.clock.advance(timedelta(minutes=15))
    assert len(function.calls) == 3
    assert ok(gcp, "POST", f"/v1/{JOB}:pause", {})["state"] == "PAUSED"
    gcp.clock.advance(timedelta(hours=1))
    assert len(function.calls) == 3
    function.status = 200
    ok(gcp, "POST", f"/v1/{JOB}:run", {})
    assert len(function.calls) == 4
    ok(gcp, "POST", f"/v1/{JOB}:resume", {})
    ok(gcp, "PATCH", f"/v1/{JOB}?updateMask=schedule", {"schedule": "0 * * * *"})
    gcp.clock.advance(timedelta(minutes=60))
    assert len(function.calls) == 5


def test_nothing_off_loopback_is_ever_called(gcp: LocalGcp) -> None:
    ok(gcp, "POST", f"/v1/{WHERE}/jobs", job("https://forecast-xyz.a.run.app"))
    gcp.clock.advance(timedelta(minutes=15))
    assert [made.status for made in gcp.deliveries.made] == [None]


def test_a_finalized_object_is_pushed_and_comes_again_until_it_is_acknowledged(
    gcp: LocalGcp, function: Function
) -> None:
    topic = f"projects/{PROJECT}/topics/settings"
    ok(gcp, "PUT", f"/v1/{topic}", {})
    push = {"pushEndpoint": function.url, "oidcToken": {"serviceAccountEmail": EMAIL}}
    ok(gcp, "PUT", f"/v1/projects/{PROJECT}/subscriptions/push", {"topic": topic, "pushConfig": push})
    notification = {
        "topic": f"//pubsub.googleapis.com/{topic}",
        "payload_format": "JSON_API_V1",
        "event_types": ["OBJECT_FINALIZE"],
        "object_name_prefix": "settings/",
    }
    ok(gcp, "POST", "/storage/v1/b/code-bucket/notificationConfigs", notification)
    bucket = gcp.storage_client().bucket("code-bucket")
    bucket.blob("other").upload_from_string("x")
    bucket.blob("settings/job.json").upload_from_string("{}")
    function.status = 500
    gcp.clock.advance(timedelta(seconds=1))
    function.status = 200
    gcp.clock.advance(timedelta(seconds=30))
    gcp.clock.advance(timedelta(minutes=30))
    assert [made.status for made in gcp.deliveries.made] == [500, 200]
    message = json.loads(function.calls[-1][1])["message"]
    assert message["attributes"]["objectId"] == "settings/job.json"
    assert json.loads(base64.b64decode(message["data"]))["name"] == "settings/job.json"
    assert function.calls[-1][0]["authorization"].startswith("Bearer ")


ALERT = {"displayName": "late", "combiner": "OR", "conditions": [{"displayName": "c"}]}
REFUSED: dict[str, tuple[str, dict[str, Any], int]] = {
    "a function without its source": (
        f"/v2/{WHERE}/functions?functionId=f",
        {"buildConfig": {**BUILD, "source": {"storageSource": {"bucket": "code-bucket", "object": "gone"}}}},
        400,
    ),
    "a function without an entry point": (
        f"/v2/{WHERE}/functions?functionId=f",
        {"buildConfig": {"runtime": "python313"}},
        400,
    ),
    "a function of an unknown account": (
        f"/v2/{WHERE}/functions?functionId=f",
        {"buildConfig": BUILD, "serviceConfig": {"serviceAccountEmail": f"gone@{PROJECT}.iam.gserviceaccount.com"}},
        400,
    ),
    "a function's name": (f"/v2/{WHERE}/functions?functionId=F_1", {"buildConfig": BUILD}, 400),
    "a job with a year": (f"/v1/{WHERE}/jobs", job("http://127.0.0.1", schedule="0 0 1 1 * 2026"), 400),
    "a job in no zone": (f"/v1/{WHERE}/jobs", job("http://127.0.0.1", timeZone="Nowhere"), 400),
    "a job that retries six times": (f"/v1/{WHERE}/jobs", job("http://127.0.0.1", retryConfig={"retryCount": 6}), 400),
    "a job with a long deadline": (f"/v1/{WHERE}/jobs", job("http://127.0.0.1", attemptDeadline="1801s"), 400),
    "a job without a target": (f"/v1/{WHERE}/jobs", {"name": JOB, "schedule": "* * * * *"}, 400),
    "an account's id": (f"/v1/projects/{PROJECT}/serviceAccounts", {"accountId": "Ab"}, 400),
    "an account twice": (f"/v1/projects/{PROJECT}/serviceAccounts", {"accountId": "invoker"}, 409),
    "a role without permissions": (f"/v1/projects/{PROJECT}/roles", {"roleId": "empty", "role": {}}, 400),
    "a role with no permission": (
        f"/v1/projects/{PROJECT}/roles",
        {"roleId": "wrong", "role": {"includedPermissions": ["everything"]}},
        400,
    ),
    "an alert that tells nobody there": (
        f"/v3/projects/{PROJECT}/alertPolicies",
        {**ALERT, "notificationChannels": [f"projects/{PROJECT}/notificationChannels/1"]},
        400,
    ),
    "an alert without a condition": (f"/v3/projects/{PROJECT}/alertPolicies", {**ALERT, "conditions": []}, 400),
    "a dashboard without a name": (f"/v1/projects/{PROJECT}/dashboards", {"gridLayout": {}}, 400),
    "no such collection": (f"/v1/projects/{PROJECT}/spaceships", {}, 404),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_wrong_is_refused(gcp: LocalGcp, name: str) -> None:
    path, document, status = REFUSED[name]
    assert rest(gcp, "POST", path, document)[0] == status


def test_a_subscription_needs_its_topic(gcp: LocalGcp) -> None:
    document = {"topic": f"projects/{PROJECT}/topics/gone"}
    assert rest(gcp, "PUT", f"/v1/projects/{PROJECT}/subscriptions/push", document)[0] == 404


def test_alerts_channels_and_dashboards_are_given_back_changed_and_deleted(gcp: LocalGcp) -> None:
    channel = ok(
        gcp,
        "POST",
        f"/v3/projects/{PROJECT}/notificationChannels",
        {"type": "email", "labels": {"email_address": "a@b.c"}},
    )
    alert = ok(
        gcp, "POST", f"/v3/projects/{PROJECT}/alertPolicies", {**ALERT, "notificationChannels": [channel["name"]]}
    )
    path = f"/v3/{alert['name']}"
    assert ok(gcp, "GET", path) == {**ALERT, "notificationChannels": [channel["name"]], "name": alert["name"]}
    assert ok(gcp, "PATCH", f"{path}?updateMask=displayName", {"displayName": "later"})["displayName"] == "later"
    board = ok(gcp, "POST", f"/v1/projects/{PROJECT}/dashboards", {"displayName": "web", "gridLayout": {"widgets": []}})
    assert ok(gcp, "GET", f"/v1/projects/{PROJECT}/dashboards")["dashboards"] == [board]
    ok(gcp, "DELETE", path)
    assert rest(gcp, "GET", path)[0] == 404
    assert gcp.permissions_used() >= {"monitoring.alertPolicies.create", "monitoring.dashboards.list"}


def test_a_projects_policy_is_guarded_by_its_etag(gcp: LocalGcp) -> None:
    path = f"/v1/projects/{PROJECT}"
    read = ok(gcp, "POST", f"{path}:getIamPolicy", {})
    bindings = [{"role": "roles/monitoring.viewer", "members": [f"serviceAccount:{EMAIL}"]}]
    ok(gcp, "POST", f"{path}:setIamPolicy", {"policy": {"etag": read["etag"], "bindings": bindings}})
    assert rest(gcp, "POST", f"{path}:setIamPolicy", {"policy": {"etag": read["etag"], "bindings": []}})[0] == 409
    assert ok(gcp, "POST", f"{path}:getIamPolicy", {})["bindings"] == bindings
