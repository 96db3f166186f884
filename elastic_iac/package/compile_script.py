"""Run by the function's own Python: compiles the sources of a folder into another. Arguments: the two folders and where the sources will lie.

Only the standard library, and no module of this project: the interpreter may be another than the one that builds.
"""

import sys
from pathlib import Path
from py_compile import PycInvalidationMode, PyCompileError, compile  # noqa: A004 - that module's name for it


def main(sources: Path, compiled: Path, home: str) -> None:
    """Compile in order of names: what is interned depends on what came before."""
    for path in sorted(sources.rglob("*.py"), key=lambda each: each.as_posix()):
        name = path.relative_to(sources).as_posix()
        try:
            # Unchecked: a function's files never change, and times of files are not kept in its package.
            mode = PycInvalidationMode.UNCHECKED_HASH
            compile(str(path), str(compiled / f"{name}c"), f"{home}/{name}", doraise=True, invalidation_mode=mode)
        except PyCompileError:  # a file for another Python: it is shipped as it is
            continue


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
