"""Secrets that systemd hands to a service as files (LoadCredential=), as one more source of settings.

They are in no environment, so no child process inherits them. See systemd.exec(5), "Credentials".
"""

import os
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from shared.errors import ConfigurationError

CREDENTIALS = {"database_url": "database-url", "llm_api_key": "llm-api-key", "web_token": "web-token"}
"""The file in `$CREDENTIALS_DIRECTORY` for each setting that may come from there."""


class Credentials(PydanticBaseSettingsSource):
    """Reads the files there are; what is set in the environment wins over them."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """The content of the setting's file without the white space around it, None where there is no such file.

        Raises ConfigurationError where it cannot be read.
        """
        folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
        name = CREDENTIALS.get(field_name)
        if not folder or name is None:
            return None, field_name, False
        try:
            return (Path(folder) / name).read_text(encoding="utf-8").strip(), field_name, False
        except FileNotFoundError:
            return None, field_name, False
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"the credential {name} cannot be read: {type(error).__name__}") from None

    def __call__(self) -> dict[str, Any]:
        """The settings found, by their field names."""
        fields = self.settings_cls.model_fields
        found = {name: self.get_field_value(fields[name], name)[0] for name in CREDENTIALS}
        return {name: value for name, value in found.items() if value is not None}
