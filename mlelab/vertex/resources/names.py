"""Names that the cloud gives, and we derive."""

from __future__ import annotations

import zlib


def project_number(project: str) -> int:
    """The number of a project."""
    return int(project) if project.isdigit() else 10**11 + zlib.crc32(project.encode())
