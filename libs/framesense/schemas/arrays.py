"""Arrays on the wire: nested lists for people, base64 float32 for programs (``encoding_format``)."""

import base64
import math
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, model_validator

FloatArray = NDArray[np.float32]


class EncodingFormat(StrEnum):
    """How embeddings, attention maps and features are written in an answer."""

    FLOAT = "float"
    BASE64 = "base64"


class EncodedArray(BaseModel):
    """A float32 array: little-endian, row-major, base64."""

    dtype: Literal["float32"] = "float32"
    shape: list[Annotated[int, Field(ge=0)]]
    data: str = Field(description="base64 of the little-endian, row-major bytes")

    @model_validator(mode="after")
    def _bytes_fit_shape(self) -> Self:
        if len(base64.b64decode(self.data, validate=True)) != 4 * math.prod(self.shape):
            raise ValueError(f"data does not hold {self.shape} float32 values")
        return self


Array = EncodedArray | list[Any]
"""Either form of one array; :func:`to_numpy` reads both."""


def encode(array: NDArray[Any], encoding: EncodingFormat) -> Array:
    """Encode an array in the form asked for; values become float32."""
    if encoding is EncodingFormat.FLOAT:
        return list(array.astype("<f4").tolist())
    return encode_base64(array)


def encode_base64(array: NDArray[Any]) -> EncodedArray:
    """Encode an array for a program; values become float32."""
    values = np.ascontiguousarray(array, dtype="<f4")
    return EncodedArray(shape=list(values.shape), data=base64.b64encode(values.tobytes()).decode("ascii"))


def to_numpy(array: Array) -> FloatArray:
    """Decode either form to a float32 array."""
    if isinstance(array, EncodedArray):
        return np.frombuffer(base64.b64decode(array.data), dtype="<f4").reshape(array.shape).astype(np.float32)
    return np.asarray(array, dtype=np.float32)
