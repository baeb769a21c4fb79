"""The base of all models of props."""

from pydantic import BaseModel, ConfigDict


class Props(BaseModel):
    """Unknown names are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
