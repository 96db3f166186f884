"""Lambda functions, who may invoke them, and what becomes of asynchronous invocations."""

from __future__ import annotations

import json
from typing import Any

from elastic_iac.local.engine.deployment import Cloud, EngineError, Handler, Inputs, Made
from elastic_iac.local.engine.shapes import camel, given, pascal

_SETTINGS = ("description", "runtime", "handler", "role", "timeout", "memorySize", "architectures", "environment")


def _create_function(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    client = cloud.client("lambda")
    if "s3Key" not in inputs:
        raise EngineError(f"function {name}: the embedded engine takes code from a bucket only (s3Bucket and s3Key)")
    code = given(S3Bucket=inputs["s3Bucket"], S3Key=inputs["s3Key"], S3ObjectVersion=inputs.get("s3ObjectVersion"))
    made = client.create_function(
        FunctionName=name,
        Code=code,
        Tags=inputs["tags"],
        # `variables` are the user's own names.
        **{key: value for key, value in pascal(_settings(inputs)).items() if key != "Environment"},
        **given(Environment=_environment(inputs), LoggingConfig=pascal(inputs.get("loggingConfig"))),
    )
    if "reservedConcurrentExecutions" in inputs:
        client.put_function_concurrency(
            FunctionName=name, ReservedConcurrentExecutions=inputs["reservedConcurrentExecutions"]
        )
    return Made(name, {**inputs, "name": name, "arn": made["FunctionArn"], "version": made["Version"]})


def _settings(inputs: Inputs) -> dict[str, Any]:
    return {name: inputs[name] for name in _SETTINGS if name in inputs}


def _environment(inputs: Inputs) -> Any:
    return {"Variables": inputs["environment"]["variables"]} if "environment" in inputs else None


def _read_function(cloud: Cloud, made: Made) -> Inputs:
    client = cloud.client("lambda")
    found = client.get_function(FunctionName=made.id)
    configuration = found["Configuration"]
    settings = {name: value for name, value in camel(configuration).items() if name in _SETTINGS}
    reserved = client.get_function_concurrency(FunctionName=made.id).get("ReservedConcurrentExecutions")
    return {
        **settings,
        "environment": {"variables": configuration.get("Environment", {}).get("Variables", {})},
        "loggingConfig": camel(configuration.get("LoggingConfig")),
        "sourceCodeHash": configuration["CodeSha256"],
        "reservedConcurrentExecutions": reserved,
        "tags": found.get("Tags", {}),
        # Where the code came from is not told; that it is this code, its hash says.
        **{name: made.outputs[name] for name in ("s3Bucket", "s3Key") if _is_declared(made, configuration)},
    }


def _is_declared(made: Made, configuration: Inputs) -> bool:
    return made.outputs.get("sourceCodeHash") == configuration["CodeSha256"]


def _delete_function(cloud: Cloud, made: Made) -> None:
    cloud.client("lambda").delete_function(FunctionName=made.id)


def _create_permission(cloud: Cloud, name: str, inputs: Inputs) -> Made:
    cloud.client("lambda").add_permission(
        FunctionName=inputs["function"],
        StatementId=name,
        Action=inputs["action"],
        Principal=inputs["principal"],
        **given(SourceArn=inputs.get("sourceArn"), SourceAccount=inputs.get("sourceAccount")),
    )
    return Made(name, inputs)


def _read_permission(cloud: Cloud, made: Made) -> Inputs:
    function = made.outputs["function"]
    policy = json.loads(cloud.client("lambda").get_policy(FunctionName=function)["Policy"])
    found = next(statement for statement in policy["Statement"] if statement["Sid"] == made.id)
    tests: dict[str, Any] = {
        key.lower(): value for test in found.get("Condition", {}).values() for key, value in test.items()
    }
    return {
        "function": function,
        "action": found["Action"],
        "principal": found["Principal"].get("Service"),
        "sourceArn": tests.get("aws:sourcearn"),
        "sourceAccount": tests.get("aws:sourceaccount"),
    }


def _delete_permission(cloud: Cloud, made: Made) -> None:
    cloud.client("lambda").remove_permission(FunctionName=made.outputs["function"], StatementId=made.id)


def _create_invoke_config(cloud: Cloud, _name: str, inputs: Inputs) -> Made:
    cloud.client("lambda").put_function_event_invoke_config(
        FunctionName=inputs["functionName"],
        **given(
            MaximumRetryAttempts=inputs.get("maximumRetryAttempts"),
            MaximumEventAgeInSeconds=inputs.get("maximumEventAgeInSeconds"),
            DestinationConfig=pascal(inputs.get("destinationConfig")),
        ),
    )
    return Made(inputs["functionName"], inputs)


def _read_invoke_config(cloud: Cloud, made: Made) -> Inputs:
    found = cloud.client("lambda").get_function_event_invoke_config(FunctionName=made.id)
    return {**camel(found), "functionName": made.id}


def _delete_invoke_config(cloud: Cloud, made: Made) -> None:
    cloud.client("lambda").delete_function_event_invoke_config(FunctionName=made.id)


HANDLERS = {
    "aws:lambda/function:Function": Handler(_create_function, _read_function, _delete_function),
    "aws:lambda/permission:Permission": Handler(
        _create_permission, _read_permission, _delete_permission, untagged=True
    ),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": Handler(
        _create_invoke_config, _read_invoke_config, _delete_invoke_config, untagged=True
    ),
}
