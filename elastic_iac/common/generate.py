"""Write what follows from the declarations: `make generate` (`python -m elastic_iac.common.generate`).

Pulumi's analyzer reads literal `TypedDict` modules from the disk: no inherited fields, no string annotations, no enums. Every description gets the
choices, bounds and default of its field. `docs/render_components.py` and `docs/render_settings.py` write the reference pages.
"""

import importlib
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from elastic_iac.common.schema.base import Arguments, object_in
from elastic_iac.common.validation import Kind, takes_output

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = "elastic_iac.common.schema"
TARGETS: Mapping[str, str] = {
    "fleet": "common/args.py",
    "workload": "workload/args.py",
    "aws": "aws/args.py",
    "aws_autoscaling_group": "aws/autoscaling_group/args.py",
    "aws_gpu_pool": "aws/gpu_pool/args.py",
    "aws_forecast_job": "aws/forecast_job/args.py",
    "gcp": "gcp/args.py",
    "gcp_autoscaling_group": "gcp/autoscaling_group/args.py",
    "gcp_gpu_pool": "gcp/gpu_pool/args.py",
    "gcp_forecast_job": "gcp/forecast_job/args.py",
}
"""Module of declarations to the generated module, under `elastic_iac`."""

_HEAD = '''"""{title}

Generated from `elastic_iac/common/schema/{source}.py` by `make generate`: do not edit.
"""

from typing import NotRequired, TypedDict

import pulumi
'''
_TYPES = {"integer": "float", "number": "float", "string": "str", "boolean": "bool"}
_WIDTH = 96


def generate() -> dict[Path, str]:
    """The text of each generated module, by its path."""
    homes = {kind: name for name in TARGETS for kind in objects_of(name)}
    return {ROOT / "elastic_iac" / TARGETS[name]: _module(name, homes) for name in TARGETS}


def objects_of(name: str) -> list[type[Arguments]]:
    """The objects that a module of declarations defines, but for bases of others."""
    module = importlib.import_module(f"{SCHEMA}.{name}")
    return [
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, Arguments)
        and each.__module__ == module.__name__
        and not each.__name__.endswith(("Fields", "Arguments"))
    ]


def _module(name: str, homes: Mapping[type[Arguments], str]) -> str:
    title = (importlib.import_module(f"{SCHEMA}.{name}").__doc__ or "").strip().splitlines()[0].split(". ")[0]
    imports: dict[str, set[str]] = {}
    for kind in objects_of(name):
        for info in kind.model_fields.values():
            nested = object_in(info.annotation)
            if nested is not None and homes[nested] != name:
                imports.setdefault(homes[nested], set()).add(nested.__name__)
    lines = [_HEAD.format(title=title.rstrip(".").split(":")[0] + ".", source=name)]
    modules = {
        f"elastic_iac.{TARGETS[home].removesuffix('.py').replace('/', '.')}": names for home, names in imports.items()
    }
    for module in sorted(modules):
        names = ", ".join(sorted(modules[module]))
        line = f"from {module} import {names}"
        lines.append(
            line if len(line) <= 120 else f"from {module} import (\n    {names.replace(', ', f',{chr(10)}    ')},\n)"
        )
    return "\n".join([*lines, *(_typed_dict(kind) for kind in objects_of(name))]).rstrip("\n") + "\n"


def _typed_dict(kind: type[Arguments]) -> str:
    fields = [(name, info) for name, info in kind.model_fields.items()]
    fields.sort(key=lambda item: not item[1].is_required())
    body = [f"\n\nclass {kind.__name__}(TypedDict):", *_docstring(kind.__doc__ or ""), ""]
    for name, info in fields:
        text = type_of(info.annotation, info.metadata)
        body.append(f"    {name}: {text if info.is_required() else f'NotRequired[{text}]'}")
        body += _docstring(describe(info))
    return "\n".join(body)


def _docstring(text: str) -> list[str]:
    lines = textwrap.wrap(" ".join(text.split()), _WIDTH - 3) or [""]
    lines[0] = f'"""{lines[0]}'
    lines[-1] += '"""'
    return [f"    {line}" for line in lines]


def type_of(annotation: Any, metadata: list[Any] | None = None) -> str:
    """An annotation as Pulumi's analyzer accepts it. Counts are floats: an integer fed by an output fails over the plugin boundary."""
    kind = _kind_in(metadata or ())
    if kind is not None:
        plain = _plain_type(kind.schema)
        return f"pulumi.Input[{plain}]" if takes_output(annotation) else plain
    if isinstance(annotation, type) and issubclass(annotation, Arguments):
        return annotation.__name__
    origin, members = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_of(members[0], list(members[1:]))
    if origin in {Union, UnionType}:
        return type_of(next(member for member in members if member is not type(None)))
    return f"list[{type_of(members[0])}]" if origin is list else f"dict[str, {type_of(members[1])}]"


def _plain_type(schema: Mapping[str, Any]) -> str:
    if schema["type"] == "array":
        return f"list[pulumi.Input[{_plain_type(schema['items'])}]]"
    if schema["type"] == "object":
        return f"dict[str, pulumi.Input[{_plain_type(schema['additionalProperties'])}]]"
    return _TYPES[schema["type"]]


def kind_of(info: FieldInfo) -> Kind[Any] | None:
    """The kind of a field that is one value."""
    found = list(info.metadata)
    for member in (info.annotation, *get_args(info.annotation)):
        found += get_args(member)[1:] if get_origin(member) is Annotated else []
    return _kind_in(found)


def _kind_in(metadata: Iterable[object]) -> Kind[Any] | None:
    return next((cast("Kind[Any]", each) for each in metadata if isinstance(each, Kind)), None)


def default_of(info: FieldInfo) -> Any:
    """The declared default of a field, in a component or in `forecasting.settings`; None without one."""
    kind = kind_of(info)
    default = None if info.default is PydanticUndefined else info.default
    return default if default is not None or kind is None else kind.schema.get("default")


def describe(info: FieldInfo) -> str:
    """The description of a field with its choices, bounds and default."""
    kind = kind_of(info)
    text = info.description or (kind.description if kind else "")
    return " ".join([text, *_limits(kind.schema if kind else {}), *_default(default_of(info))]).strip()


def _limits(schema: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in schema:
        yield f"One of {', '.join(map(repr, schema['enum']))}."
    low, above, high = (schema.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    start = f"above {_shown(above)}" if above is not None else f"at least {_shown(low)}" if low is not None else ""
    if low is not None and high is not None:
        yield f"From {_shown(low)} to {_shown(high)}."
    elif start or high is not None:
        end = f"at most {_shown(high)}" if high is not None else ""
        yield " and ".join(filter(None, (start, end))).capitalize() + "."


def _default(value: Any) -> Iterator[str]:
    if value not in (None, [], {}):
        yield f"Default: {_shown(value)}."


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(map(_shown, value))  # pyright: ignore[reportUnknownArgumentType] - of a default
    return f"{value:g}" if isinstance(value, float) else repr(value)


def main() -> None:
    """Write all generated modules."""
    for path, text in generate().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
