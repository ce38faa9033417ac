"""Sources: where settings come from besides the environment: secrets in files, a file of settings.

Decides the form of both, and refuses what cannot be read with the reason. The order is the
settings'. Invariant: what a refusal says never holds a value, which may be a secret.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

#: Names the file of settings.
CONFIG = "CLOISON_CONFIG"
#: Ends the name of a variable that names a file which holds the value.
SUFFIX = "_FILE"
#: Variables of the programs that talk to a server, which are no settings of one.
NOT_OURS = frozenset(
    f"CLOISON_{name}"
    for name in (
        "ADDRESS",
        "CONFIG",
        "CONNECTOR_TOKEN",
        "NEW_PASSWORD",
        "ORGANISATION",
        "PASSWORD",
        "SERVER",
    )
)


class SettingsUnreadable(ValueError):
    """A file that should hold settings cannot be used."""


class SecretFiles(PydanticBaseSettingsSource):
    """Values from files that ``CLOISON_<NAME>_FILE`` names, as container platforms mount them."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of a field, if a file holds it. Raises SettingsUnreadable."""
        name = variable(self.settings_cls, field_name)
        path = os.environ.get(name + SUFFIX)
        if not path:
            return None, field_name, False
        if os.environ.get(name):
            raise SettingsUnreadable(f"{name} and {name}{SUFFIX} are both set: set one.")
        return _read(Path(path), name + SUFFIX).strip(), field_name, self.field_is_complex(field)

    def __call__(self) -> dict[str, Any]:
        """Return every value that a file holds."""
        found = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, is_complex = self.get_field_value(field, name)
            if value is not None:
                found[key] = self.prepare_field_value(key, field, value, is_complex)
        return found


class SettingsFile(PydanticBaseSettingsSource):
    """Values from the TOML file that ``CLOISON_CONFIG`` names: one key a setting, no tables."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the value of one field."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return what the file says; unknown keys are the settings' to refuse."""
        path = os.environ.get(CONFIG)
        if not path:
            return {}
        try:
            return tomllib.loads(_read(Path(path), CONFIG))
        except tomllib.TOMLDecodeError as error:
            place = str(error).rpartition("(")[2].rstrip(")")
            raise SettingsUnreadable(f"{CONFIG}: the file is not valid TOML ({place}).") from None


def variable(settings: type[BaseSettings], field: str) -> str:
    """Return the name of the variable of a field."""
    return f"{settings.model_config['env_prefix']}{field}".upper()


def strangers(settings: type[BaseSettings]) -> list[str]:
    """Return the variables that look like settings and are none: slips of the pen."""
    names = {variable(settings, field) for field in settings.model_fields}
    ours = names | {name + SUFFIX for name in names} | NOT_OURS
    prefix = str(settings.model_config["env_prefix"])
    return sorted(name for name in os.environ if name.startswith(prefix) and name not in ours)


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsUnreadable(f"{name}: the file cannot be read: {reason}.") from None
