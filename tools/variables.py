"""Variables: the generated half of ``docs/settings.md``: every setting, its bounds, its reason.

Pure: returns text, and reads no environment. Invariant: each field of Settings appears.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from server.settings import Settings
from tools.markdown import code, table
from tools.shapes import between


def settings() -> str:
    """Return the table of settings."""
    prefix = Settings.model_config["env_prefix"]
    return table(
        ("setting", "variable", "default", "bounds", "what it is for"),
        (
            (
                code(name),
                code(f"{prefix}{name}".upper()),
                _value(field.default),
                _bounds(field.metadata),
                field.description or "",
            )
            for name, field in _fields()
        ),
    )


def _fields() -> Iterable[tuple[str, FieldInfo]]:
    return Settings.model_fields.items()


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return code(str(value).lower())
    if isinstance(value, int | float):
        return code(f"{value:g}" if isinstance(value, float) else value)
    if isinstance(value, Path):
        return code(value.as_posix())
    return code(value) if value else "none"


def _bounds(metadata: Iterable[Any]) -> str:
    bounds = list(metadata)
    least = next((one.ge for one in bounds if hasattr(one, "ge")), None)
    most = next((one.le for one in bounds if hasattr(one, "le")), None)
    pattern = next((one.pattern for one in bounds if getattr(one, "pattern", None)), None)
    if pattern is not None:
        return code(pattern)
    return "" if least is None and most is None else between(least, most)
