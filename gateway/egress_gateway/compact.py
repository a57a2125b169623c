"""Tasks in half the memory, for the thousands that the cache holds.

In: a task as it was read. Out: the same. pydantic remembers for each object which of its fields were given, in a set of
the object's own: almost half of what a task takes, and the same few sets again and again. Tasks are frozen, so that equal
sets can be one.
"""

from typing import Final, TypeVar

from pydantic import BaseModel

Model = TypeVar("Model", bound=BaseModel)

MOST_SETS: Final = 2000
"""Who gives ever other fields doesn't fill this table: what is over it keeps sets of its own."""
_GIVEN: Final = "__pydantic_fields_set__"

_sets: dict[frozenset[str], set[str]] = {}


def compact(model: Model) -> Model:
    """Return the model, its sets shared with others."""
    for value in model.__dict__.values():
        if isinstance(value, BaseModel):
            compact(value)
        elif isinstance(value, list):
            for item in value:
                if isinstance(item, BaseModel):
                    compact(item)
    given = model.model_fields_set
    shared = _sets.get(frozenset(given))
    if shared is None and len(_sets) < MOST_SETS:
        shared = _sets[frozenset(given)] = given
    if shared is not None:
        # Not through the model: a frozen one lets nothing be set.
        object.__setattr__(model, _GIVEN, shared)
    return model
