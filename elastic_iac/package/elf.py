"""Whether the shared objects of a package load on the machine that it is for."""

from __future__ import annotations

import re
import struct

from elastic_iac.package.base import Arch, PackageError, Target

_MAGIC = b"\x7fELF"
_CLASS_64, _LITTLE_ENDIAN = 2, 1
_MACHINES: dict[Arch, int] = {"arm64": 183, "x86_64": 62}
"""EM_AARCH64 and EM_X86_64: the ELF header's e_machine, https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html."""

_SHARED = re.compile(r"\.(?:so(?:\.[\d.]+)?|pyd|dll|dylib)$")
_TAG = re.compile(r"\.(cpython-\w+|abi3|pypy\w+)(?:-[\w-]+)?\.so$")


def check_shared_object(name: str, content: bytes, target: Target) -> bool:
    """Whether the file is a shared object; if it is, it suits the target.

    Args:
        name: Its path in the package.
        content: Its bytes, from the first on.
        target: The machine that it is for.

    Raises:
        PackageError: it is for another system, processor or Python.
    """
    if not content.startswith(_MAGIC):
        if _SHARED.search(name):
            raise PackageError(f"{name}: not a shared object of Linux; expected one for {target.arch}")
        return False
    kind = tuple(content[4:6])
    (machine,) = struct.unpack_from("<H", content, 18) if len(content) >= 20 else (0,)
    if kind != (_CLASS_64, _LITTLE_ENDIAN) or machine != _MACHINES[target.arch]:
        raise PackageError(
            f"{name}: built for ELF machine {machine}; expected {_MACHINES[target.arch]} ({target.arch})"
        )
    tag = _TAG.search(name)
    if tag and tag[1] not in {"abi3", f"cpython-{target.abi[2:]}"}:
        raise PackageError(f"{name}: built for {tag[1]}; expected cpython-{target.abi[2:]} or abi3")
    return True
