"""One way in for every request: checked, then answered by what is registered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError, Message

from ..wire.catalog import Method, inner_class
from ..wire.errors import CloudError, invalid, logged
from .registry import BEHAVIOURS, Call
from .validation import check_labels, check_names, check_required, check_values


def dispatch(cloud: Any, method: Method, request: Message, headers: dict[str, str]) -> Message | Iterator[Message]:
    """Answer one request; what the answer's headers say goes into `headers`. Raises CloudError and nothing else."""
    try:
        behaviour = BEHAVIOURS.get(method.name)
        if behaviour is None:
            raise CloudError("UNIMPLEMENTED", f"{method.name} is not implemented by this local stand-in.")
        try:
            inner = inner_class(method.request).FromString(request.SerializeToString())
        except DecodeError:  # a field that v1 does not know, and that v1beta1 has as another type
            raise invalid(f"The request is not a {method.request.DESCRIPTOR.full_name}.") from None
        check_names(method, inner)
        partial = re.search(r"\.(Update|Mutate)", method.name)  # carries what changes, not a whole resource
        check_required(inner, deep=not partial)
        if not re.search(r"\.(Get|List|Read|Fetch|\w*Predict)", method.name):
            check_values(inner)
            check_labels(inner)
        return behaviour(Call(cloud, method, inner, request, headers), inner)
    except Exception as error:
        raise logged(method.name, error) from error
