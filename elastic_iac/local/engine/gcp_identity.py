"""Service accounts, custom roles and who has which role in the project."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from elastic_iac.local.engine.deployment import Cloud, Handler, Inputs, Made
from elastic_iac.local.engine.gcp_compute import google_of
from elastic_iac.local.engine.google import GoogleCloud
from elastic_iac.local.engine.shapes import given


def _create_account(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    google = google_of(cloud)
    described = given(displayName=inputs.get("displayName"), description=inputs.get("description"))
    body = {"accountId": inputs["accountId"], "serviceAccount": described}
    account = google.call("POST", f"/v1/projects/{google.project}/serviceAccounts", body)
    outputs = {
        "name": account["name"],
        "email": account["email"],
        "member": f"serviceAccount:{account['email']}",
        "uniqueId": account.get("uniqueId", name),
        "project": google.project,
    }
    return Made(account["name"], {**inputs, **outputs})


def _read_account(cloud: Cloud, made: Made) -> Inputs:
    account = google_of(cloud).call("GET", f"/v1/{made.id}")
    return {**account, "accountId": account["email"].partition("@")[0]}


def _create_role(cloud: Cloud, _name: str, inputs: Inputs) -> Made:
    google = google_of(cloud)
    body = {
        "roleId": inputs["roleId"],
        "role": {
            "title": inputs["title"],
            "includedPermissions": inputs["permissions"],
            **given(description=inputs.get("description"), stage="GA"),
        },
    }
    role = google.call("POST", f"/v1/projects/{google.project}/roles", body)
    return Made(role["name"], {**inputs, "name": role["name"], "project": google.project})


def _read_role(cloud: Cloud, made: Made) -> Inputs:
    role = google_of(cloud).call("GET", f"/v1/{made.id}")
    return {**role, "permissions": role["includedPermissions"], "roleId": role["name"].rsplit("/", 1)[-1]}


def _delete_named(cloud: Cloud, made: Made) -> None:
    google_of(cloud).call("DELETE", f"/v1/{made.id}")


Policy = dict[str, Any]

_POLICIES = threading.Lock()  # resources are made side by side, and each writes a policy whole


def member_handler(
    get: Callable[[GoogleCloud, Inputs], Policy], put: Callable[[GoogleCloud, Inputs, Policy], object]
) -> Handler:
    """One member of one role in the policy of some resource: read, changed, written whole with the etag that was read."""

    def same(binding: Policy, inputs: Inputs) -> bool:
        return bool(binding["role"] == inputs["role"] and binding.get("condition") == inputs.get("condition"))

    def create(cloud: Cloud, name: str, inputs: Inputs) -> Made:
        google = google_of(cloud)
        with _POLICIES:
            policy = get(google, inputs)
            bindings: list[Policy] = policy.setdefault("bindings", [])
            binding = next((held for held in bindings if same(held, inputs)), None)
            if binding is None:
                bindings.append(binding := given(role=inputs["role"], condition=inputs.get("condition"), members=[]))
            if inputs["member"] not in binding["members"]:
                binding["members"].append(inputs["member"])
            put(google, inputs, {**policy, "version": 3})  # from which on bindings have conditions
        return Made(name, dict(inputs))

    def read(cloud: Cloud, made: Made) -> Inputs:
        policy = get(google_of(cloud), made.outputs)
        held = [binding for binding in policy.get("bindings", []) if same(binding, made.outputs)]
        return made.outputs if any(made.outputs["member"] in binding["members"] for binding in held) else {}

    def delete(cloud: Cloud, made: Made) -> None:
        google = google_of(cloud)
        with _POLICIES:
            policy = get(google, made.outputs)
            for binding in policy.get("bindings", []):
                if same(binding, made.outputs) and made.outputs["member"] in binding["members"]:
                    binding["members"].remove(made.outputs["member"])
            policy["bindings"] = [binding for binding in policy.get("bindings", []) if binding["members"]]
            put(google, made.outputs, policy)

    return Handler(create, read, delete, untagged=True)


def policy_calls(resource: Callable[[Inputs], str], *, read: str = "POST") -> Handler:
    """Members of a resource whose policy is read by POST or GET, by service, and written by POST."""
    return member_handler(
        lambda google, inputs: google.call(read, f"/{resource(inputs)}:getIamPolicy", {} if read == "POST" else None),
        lambda google, inputs, policy: google.call("POST", f"/{resource(inputs)}:setIamPolicy", {"policy": policy}),
    )


HANDLERS = {
    "gcp:serviceaccount/account:Account": Handler(_create_account, _read_account, _delete_named, untagged=True),
    "gcp:projects/iAMCustomRole:IAMCustomRole": Handler(_create_role, _read_role, _delete_named, untagged=True),
    "gcp:projects/iAMMember:IAMMember": policy_calls(lambda inputs: f"v1/projects/{inputs['project']}"),
    "gcp:serviceaccount/iAMMember:IAMMember": policy_calls(lambda inputs: f"v1/{inputs['serviceAccountId']}"),
}
