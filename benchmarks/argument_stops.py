"""Count the stops of a component's raw arguments: `python -m benchmarks.argument_stops [ROOT] [--list]`.

A stop is a function or constructor of `elastic_iac` that takes `args` or a value read from it, followed by abstract syntax from the component's
`__init__` on. A value is read from `args` by a name, a subscript, an attribute, `.get` and the like, a display or
comprehension that contains it, or a function that returns it. The result of any other call (a constructor, a parser)
is a new value, and is not followed.

- stops: the functions and constructors;
- files: those that contain them;
- calls back up: calls from a file into one that was entered before it;
- entered twice: files that are called from more than one other file.
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_READS = {"get", "items", "values", "keys", "pop", "copy", "setdefault"}
_PASS_ON = {
    "cast", "dict", "list", "tuple", "set", "sorted", "reversed", "enumerate", "zip", "map", "iter", "next", "deepcopy",
    "filter", "min", "max", "pairwise",
}  # fmt: skip
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Module:
    """One file: its functions and classes by qualified name, and its imports."""

    path: Path
    functions: dict[str, Function] = field(default_factory=dict[str, Function])
    classes: set[str] = field(default_factory=set[str])
    names: dict[str, tuple[str, str | None]] = field(default_factory=dict[str, tuple[str, str | None]])
    """Imported name to its module and the name there; None for a module itself."""


@dataclass
class Trail:
    """The stops in the order of a depth-first walk, and the calls between files."""

    stops: dict[tuple[str, str], set[str]] = field(default_factory=dict[tuple[str, str], set[str]])
    files: list[str] = field(default_factory=list[str])
    sites: set[tuple[str, int, str]] = field(default_factory=set[tuple[str, int, str]])
    """Calls: file and line of the caller, file of the callee."""

    @property
    def calls(self) -> list[tuple[str, str]]:
        """Files of caller and callee, once for each place of a call."""
        return [(here, there) for here, _, there in self.sites]

    @property
    def back_up(self) -> int:
        """Calls into a file that was entered earlier."""
        return sum(self.files.index(there) < self.files.index(here) for here, there in self.calls if here != there)

    @property
    def entered_twice(self) -> dict[str, list[str]]:
        """Files with more than one other file that calls into them."""
        callers = {file: sorted({here for here, there in self.calls if there == file != here}) for file in self.files}
        return {file: found for file, found in callers.items() if len(found) > 1}


def read_modules(root: Path) -> dict[str, Module]:
    """All modules of `elastic_iac`, by dotted name."""
    modules: dict[str, Module] = {}
    for path in sorted((root / "elastic_iac").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        module = modules[name] = Module(path.relative_to(root))
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    module.names[alias.asname or alias.name] = (node.module, alias.name)
        for node in tree.body:
            if isinstance(node, Function):
                module.functions[node.name] = node
            if isinstance(node, ast.ClassDef):
                module.classes.add(node.name)
                module.functions |= {
                    f"{node.name}.{item.name}": item for item in node.body if isinstance(item, Function)
                }
    return modules


class Walk:
    """Follow the arguments from one function to the next."""

    def __init__(self, modules: dict[str, Module]) -> None:
        self.modules, self.trail = modules, Trail()
        self._returns: dict[tuple[str, str, frozenset[str]], bool] = {}

    def enter(self, module: str, name: str, tainted: set[str]) -> bool:
        """Visit a stop; whether it returns what it was given."""
        key = (module, name, frozenset(tainted))
        if key in self._returns:
            return self._returns[key]
        self._returns[key] = False
        file = str(self.modules[module].path)
        if file not in self.trail.files:
            self.trail.files.append(file)
        self.trail.stops.setdefault((file, name), set()).update(tainted)
        function = self.modules[module].functions.get(name)
        if function is not None:
            scope = _Scope(self, module, name.rpartition(".")[0], set(tainted))
            scope.visit_body(function)
            self._returns[key] = scope.returns
        return self._returns[key]


class _Scope:
    def __init__(self, walk: Walk, module: str, owner: str, tainted: set[str]) -> None:
        self.walk, self.module, self.owner, self.tainted, self.returns = walk, module, owner, tainted, False

    def visit_body(self, function: Function) -> None:
        before = -1
        while before != len(self.tainted):  # until nothing more is found
            before = len(self.tainted)
            for node in ast.walk(function):
                self._bind(node)
        for node in ast.walk(function):
            if isinstance(node, ast.Call):
                self._call(node)
            if isinstance(node, ast.Return | ast.Yield) and node.value is not None:
                self.returns = self.returns or self.reads(node.value)

    def _bind(self, node: ast.AST) -> None:
        pairs: list[tuple[ast.expr, ast.expr]] = []
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs += list(zip(target.elts, node.value.elts, strict=False))
                else:
                    pairs.append((target, node.value))
        elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.NamedExpr) and node.value is not None:
            pairs.append((node.target, node.value))
        elif isinstance(node, ast.For | ast.comprehension):
            pairs.append((node.target, node.iter))
        for target, value in pairs:
            if self.reads(value):
                self.tainted |= {each.id for each in ast.walk(target) if isinstance(each, ast.Name)}

    def reads(self, node: ast.expr | None) -> bool:
        """Whether the expression is `args` or read from it."""
        if isinstance(node, ast.Name):
            return node.id in self.tainted
        if isinstance(node, ast.Call):
            return self._call_reads(node)
        places: dict[type, tuple[str, ...]] = {
            ast.Subscript: ("value",),
            ast.Starred: ("value",),
            ast.Attribute: ("value",),
            ast.NamedExpr: ("value",),
            ast.DictComp: ("value",),
            ast.ListComp: ("elt",),
            ast.SetComp: ("elt",),
            ast.GeneratorExp: ("elt",),
            ast.IfExp: ("body", "orelse"),
            ast.BinOp: ("left", "right"),
            ast.BoolOp: ("values",),
            ast.Dict: ("values",),
            ast.List: ("elts",),
            ast.Tuple: ("elts",),
            ast.Set: ("elts",),
        }
        found: list[Any] = [getattr(node, part) for part in places.get(type(node), ())]
        nodes: list[Any] = []
        for each in found:
            nodes += each if isinstance(each, list) else [each]
        return any(map(self.reads, nodes))

    def _call_reads(self, node: ast.Call) -> bool:
        if isinstance(node.func, ast.Attribute) and node.func.attr in _READS:
            return self.reads(node.func.value)
        given = [*node.args, *(keyword.value for keyword in node.keywords)]
        if isinstance(node.func, ast.Name) and node.func.id in _PASS_ON:
            return any(map(self.reads, given))
        return self._call(node)

    def _call(self, node: ast.Call) -> bool:
        found = self._resolve(node.func)
        given: dict[int | str | None, ast.expr] = dict(enumerate(node.args))
        given |= {keyword.arg: keyword.value for keyword in node.keywords}
        tainted = {place for place, value in given.items() if self.reads(value)}
        if found is None or not tainted:
            return False
        module, name = found
        here, there = str(self.walk.modules[self.module].path), str(self.walk.modules[module].path)
        parameters = self._parameters(module, name)
        names = {parameters[at] if isinstance(at, int) and at < len(parameters) else str(at) for at in tainted}
        returned = self.walk.enter(module, name, names)
        self.walk.trail.sites.add((here, node.lineno, there))
        return returned

    def _parameters(self, module: str, name: str) -> list[str]:
        function = self.walk.modules[module].functions.get(name)
        if function is None:
            return []
        parameters = [each.arg for each in function.args.args]
        return parameters[1:] if "." in name and parameters[:1] in (["self"], ["cls"]) else parameters

    def _resolve(self, func: ast.expr) -> tuple[str, str] | None:
        if isinstance(func, ast.Name):
            return self._named(self.module, func.id)
        if not isinstance(func, ast.Attribute) or not isinstance(func.value, ast.Name):
            return None
        if func.value.id == "self":
            method = f"{self.owner}.{func.attr}"
            return (self.module, method) if method in self.walk.modules[self.module].functions else None
        source = self.walk.modules[self.module].names.get(func.value.id)
        if source is None:
            return None
        whole = f"{source[0]}.{source[1]}"
        return self._named(whole, func.attr) if whole in self.walk.modules else None

    def _named(self, module: str, name: str) -> tuple[str, str] | None:
        known = self.walk.modules.get(module)
        if known is None:
            return None
        if name in known.classes:
            constructor = f"{name}.__init__"
            return module, constructor if constructor in known.functions else name
        if name in known.functions:
            return module, name
        source = known.names.get(name)
        return self._named(source[0], source[1]) if source and source[1] and source[0] != module else None


def follow(root: Path, component: str) -> Trail:
    """The trail of `args` from the component's `__init__`."""
    modules = read_modules(root)
    (start,) = [name for name, module in modules.items() if component in module.classes and ".schema" not in name]
    walk = Walk(modules)
    walk.enter(start, f"{component}.__init__", {"args"})
    return walk.trail


def lines(trail: Trail, *, details: bool) -> Iterator[str]:
    """The figures, and with `details` each stop."""
    files = {file for file, _ in trail.stops}
    twice = trail.entered_twice
    yield f"{len(trail.stops)} stops in {len(files)} files, {trail.back_up} calls back up, {len(twice)} files entered twice"
    if details:
        yield from (f"  {file}: {name}({', '.join(sorted(taken))})" for (file, name), taken in trail.stops.items())
        yield from (f"  {file} is entered from {', '.join(callers)}" for file, callers in twice.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("root", nargs="?", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--component", default="AwsGpuPool")
    parser.add_argument("--list", action="store_true", help="name each stop")
    options = parser.parse_args()
    for line in lines(follow(options.root, options.component), details=options.list):
        print(line)


if __name__ == "__main__":
    main()
