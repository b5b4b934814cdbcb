"""What all sections of a study definition have in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of a definition: fixed once read, no unknown keys, no silent conversion ("10" is no number)."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
