"""The base of every contract model: frozen, strict about keys, finite about numbers."""

from pydantic import BaseModel, ConfigDict


class StrictModel(BaseModel):
    """Immutable model that refuses unknown keys, NaN and infinities, and never shows its input in an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )
