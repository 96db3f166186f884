"""Small changes of a module's source that a test should notice, one at a time.

The operators are the usual ones of mutation testing: comparison, arithmetic, boolean, constant, returned value, call argument, and
deleted statement. Text (messages, names, docstrings), annotations, decorators and calls of a logger are left alone: they change no
decision.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}
ASSERTION = "assertion"
"""Kind of a mutant that only drops a check of the program's own, such as `zip(strict=True)`: no behaviour, so never in a score."""
_ASSERTED = {"strict"}
_COMMUTATIVE = {"min", "max", "minimum", "maximum"}
_LOGGERS = {"log", "logger", "logging"}


@dataclass(frozen=True)
class Mutant:
    """One change of one module.

    Attributes:
        path: The module, relative to the root of the tree.
        where: The function or class that contains the change; empty at the top of the module.
        line: First line of the changed code, from 1.
        kind: The operator.
        start: First byte of the changed code; `end` is the byte after it.
        before: The changed code.
        after: Its replacement.
    """

    path: str
    where: str
    line: int
    kind: str
    start: int
    end: int
    before: str
    after: str

    @property
    def key(self) -> str:
        """Identity that survives changes elsewhere in the module."""
        text = "\0".join((self.path, self.where, self.kind, self.before, self.after, str(self.start)))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def apply(self, source: bytes) -> bytes:
        """The module's source with the change."""
        return source[: self.start] + self.after.encode() + source[self.end :]


def find_mutants(path: str, source: bytes) -> list[Mutant]:
    """Every mutant of a module, in the order of its source.

    Args:
        path: Its path, relative to the root of the tree.
        source: Its text, UTF-8.
    """
    finder = _Finder(path, source)
    finder.visit(ast.parse(source))
    unique = {(mutant.start, mutant.end, mutant.after): mutant for mutant in finder.found}
    return sorted(unique.values(), key=lambda mutant: (mutant.start, mutant.end, mutant.after))


class _Finder(ast.NodeVisitor):
    """Collects the mutants; the generic visit skips what no operator may touch."""

    def __init__(self, path: str, source: bytes) -> None:
        self.found: list[Mutant] = []
        self._path = path
        self._source = source
        self._names: list[str] = []
        self._lines = [0]
        for line in source.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    # Scopes and what is left alone

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._names.append(node.name)
        for default in (*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)):
            self.visit(default)
        self._body(node.body)
        self._names.pop()

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._names.append(node.name)
        self._body(node.body)
        self._names.pop()

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Text of a message or a name."""

    def visit_Raise(self, node: ast.Raise) -> None:
        """An error's text; that it is raised is another mutant."""
        self._delete(node)

    def _body(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
                self.visit(statement)

    # Operators

    def visit_Compare(self, node: ast.Compare) -> None:
        for number, operator in enumerate(node.ops):
            changed = copy.deepcopy(node)
            changed.ops[number] = _COMPARED[type(operator)]()
            self._add("comparison", node, changed)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        if (changed_to := _COMPUTED.get(type(node.op))) and not (_is_text(node.left) or _is_text(node.right)):
            changed = copy.deepcopy(node)
            changed.op = changed_to()
            self._add("arithmetic", node, changed)
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if changed_to := _COMPUTED.get(type(node.op)):
            changed = copy.deepcopy(node)
            changed.op = changed_to()
            self._add("arithmetic", node, changed)
        self._delete(node)
        self.visit(node.value)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        changed = copy.deepcopy(node)
        changed.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        self._add("boolean", node, changed)
        for number in range(len(node.values)):
            left = [value for position, value in enumerate(node.values) if position != number]
            self._add("boolean", node, left[0] if len(left) == 1 else ast.BoolOp(node.op, left))
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not | ast.USub):
            self._add("boolean" if isinstance(node.op, ast.Not) else "arithmetic", node, node.operand)
        self.generic_visit(node)

    def visit_If(self, node: ast.If) -> None:
        self._condition(node.test)
        self.visit(node.test)
        self._body(node.body)
        self._body(node.orelse)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._condition(test)
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        value: object = node.value
        if isinstance(value, bool):
            self._add("constant", node, ast.Constant(not value))
        elif isinstance(value, int | float):
            self._add("constant", node, ast.Constant(value + 1))

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is None:
            return
        if not (isinstance(node.value, ast.Constant) and node.value.value is None):
            self._add("return", node.value, ast.Constant(None))
        self.visit(node.value)

    def visit_Call(self, node: ast.Call) -> None:
        if _is_logger(node):
            return
        if isinstance(node.func, ast.Name) and node.func.id in _CALLED:
            self._add("call", node.func, ast.Name(_CALLED[node.func.id]))
        plain = [each for each in node.args if not isinstance(each, ast.Starred)]
        commutes = isinstance(node.func, ast.Name | ast.Attribute) and _name_of(node.func) in _COMMUTATIVE
        if not commutes and len(plain) == len(node.args) >= 2 and not all(map(_is_text, node.args[:2])):
            changed = copy.deepcopy(node)
            changed.args[:2] = reversed(changed.args[:2])
            self._add("argument", node, changed)
        for number, keyword in enumerate(node.keywords):
            if keyword.arg is not None:
                changed = copy.deepcopy(node)
                del changed.keywords[number]
                self._add(ASSERTION if keyword.arg in _ASSERTED else "argument", node, changed)
        self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> None:
        if node.arg in _ASSERTED and isinstance(node.value, ast.Constant):
            self._add(ASSERTION, node.value, ast.Constant(not node.value.value))
        else:
            self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call) and _is_logger(node.value):
            return
        if isinstance(node.value, ast.Call | ast.Await):
            self._delete(node)
        self.visit(node.value)

    def visit_Continue(self, node: ast.Continue) -> None:
        self._delete(node)

    def visit_Break(self, node: ast.Break) -> None:
        self._delete(node)

    # Collecting

    def _condition(self, test: ast.expr) -> None:
        if isinstance(test, ast.Compare | ast.BoolOp) or (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"):
            return  # its own operators change it, or it is no decision
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            return
        self._add("boolean", test, ast.UnaryOp(ast.Not(), test))

    def _delete(self, node: ast.stmt) -> None:
        self._add("deletion", node, ast.Pass())

    def _add(self, kind: str, node: ast.expr | ast.stmt, changed: ast.AST) -> None:
        start = self._lines[node.lineno - 1] + node.col_offset
        end = self._lines[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        before = self._source[start:end].decode()
        after = ast.unparse(ast.fix_missing_locations(copy.deepcopy(changed)))
        if isinstance(node, ast.expr) and not isinstance(changed, ast.Constant | ast.Name | ast.Call):
            after = f"({after})"
        if after != before:
            where = ".".join(self._names)
            self.found.append(Mutant(self._path, where, node.lineno, kind, start, end, before, after))


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _name_of(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _is_logger(node: ast.Call) -> bool:
    root = node.func.value if isinstance(node.func, ast.Attribute) else None
    return isinstance(root, ast.Name) and root.id in _LOGGERS


def instrument(path: str, source: bytes) -> bytes:
    """The module with a note before every statement, for the map from tests to lines.

    Args:
        path: Its path, relative to the root of the tree.
        source: Its text, UTF-8.
    """
    tree = ast.parse(source)
    for node in list(ast.walk(tree)):
        for name in ("body", "orelse", "finalbody"):
            statements: object = getattr(node, name, None)
            if isinstance(statements, list) and not isinstance(node, ast.Module | ast.ClassDef):
                setattr(node, name, list(_noted(path, statements)))  # pyright: ignore[reportUnknownArgumentType] - ast's fields
    head = ast.parse("import builtins as _b\n__covered__ = getattr(_b, '__covered__', lambda _: None)\n").body
    first = next(
        (
            number
            for number, each in enumerate(tree.body)
            if not (isinstance(each, ast.Expr) or (isinstance(each, ast.ImportFrom) and each.module == "__future__"))
        ),
        len(tree.body),
    )
    tree.body[first:first] = head
    return ast.unparse(ast.fix_missing_locations(tree)).encode()


def _noted(path: str, statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in statements:
        if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)):
            note = ast.Call(ast.Name("__covered__", ast.Load()), [ast.Constant(f"{path}:{statement.lineno}")], [])
            yield ast.Expr(note)
        yield statement


def statement_lines(source: bytes) -> dict[int, int | None]:
    """For each line inside a function, the line of the innermost statement around it; None at module or class level."""
    found: dict[int, int | None] = {}

    def walk(node: ast.AST, inside: bool, line: int | None) -> None:
        for child in ast.iter_child_nodes(node):
            here = line
            if isinstance(child, ast.stmt) and inside:
                here = child.lineno
            if isinstance(child, ast.stmt | ast.expr):
                for number in range(child.lineno, (child.end_lineno or child.lineno) + 1):
                    if here is not None or number not in found:
                        found[number] = here
            deeper = inside or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            walk(child, deeper, here)

    walk(ast.parse(source), False, None)
    return found
