"""Batches, pages and filters: what calls of Auto Scaling on many items have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from elastic_iac.local.rules import DEFAULT_PAGE, MAX_BATCH, MAX_PAGE, invalid
from elastic_iac.local.wire import AwsError, Request

Arguments = dict[str, Any]
Result = dict[str, Any]


def batch(items: list[Any]) -> list[Any]:
    """The items of a batch call, which holds so many at most."""
    if len(items) > MAX_BATCH:
        raise invalid(f"A batch holds at most {MAX_BATCH} scheduled actions; got {len(items)}")
    return items


def action_name(item: Arguments) -> str:
    """What a batch put names its items by."""
    return item["ScheduledActionName"]


def each(request: Request, items: list[Any], name: Callable[[Any], str], apply: Callable[[Any], None]) -> list[Result]:
    """Apply one by one; the failures, as a batch answers them inside a 200. An injected one strikes the first item."""
    injected = [AwsError(fault.item_code, fault.message) for fault in request.faults if fault.item_code]
    failed: list[Result] = []
    for item in items:
        try:
            if injected:
                raise injected.pop()
            apply(item)
        except AwsError as error:
            failed.append({"ScheduledActionName": name(item), "ErrorCode": error.code, "ErrorMessage": error.message})
    return failed


def page(key: str, items: list[Any], arguments: Arguments, default: int = DEFAULT_PAGE) -> Result:
    """One page; the token is the offset of the next. API, Describe*.MaxRecords: 50 by default, 100 at most."""
    size: int = arguments.get("MaxRecords", default)
    if not 1 <= size <= MAX_PAGE:
        raise invalid(f"MaxRecords: got {size}; expected 1 to {MAX_PAGE}")
    token: str = arguments.get("NextToken", "0")
    if not token.isascii() or not token.isdigit() or int(token) > len(items):
        raise AwsError("InvalidNextToken", "The NextToken value is not valid.")
    end = int(token) + size
    return {key: items[int(token) : end], "NextToken": str(end) if end < len(items) else None}


def matches(tags: list[Mapping[str, str]], asked: Mapping[str, Any]) -> bool:
    """API, Filter: `tag:KEY`, `tag-key` and `tag-value`; one of the values must match."""
    name, values = asked.get("Name", ""), asked.get("Values", [])
    if name.startswith("tag:"):
        return any(tag["Key"] == name[4:] and tag["Value"] in values for tag in tags)
    members = {"tag-key": "Key", "tag-value": "Value"}
    if name not in members:
        raise invalid(f"Filter name {name!r} is not supported: tag:KEY, tag-key or tag-value")
    return any(tag[members[name]] in values for tag in tags)
