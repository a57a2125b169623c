"""Text fields with a rule and the sentence that explains it.

A regular expression in an error helps nobody. Each bounded text of the contract carries its expression
together with the sentence that users get instead: from pydantic in REST, from a CEL rule in the API server.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

SENTENCE_KEY: Final = "x-sentence"


@dataclass(frozen=True)
class Worded:
    """Annotation for a `str`: at most `max_length` characters, matching `pattern`, else `sentence`.

    `pattern` must mean the same in Python and in RE2, which the API server uses: no look-around, no
    back-references, and `^` and `$` around it.
    """

    pattern: str
    max_length: int
    sentence: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the text after pydantic has found it to be one."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the text by its bounds and its sentence."""
        return {
            **handler(schema),
            "maxLength": self.max_length,
            "pattern": self.pattern,
            SENTENCE_KEY: self.sentence,
        }

    def _check(self, value: str) -> str:
        # fullmatch: Python's $ would let a final newline through.
        if len(value) > self.max_length or re.fullmatch(self.pattern, value) is None:
            raise PydanticCustomError("worded", "{sentence}", {"sentence": self.sentence})
        return value


LABEL_WORD: Final = Worded(
    r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$",
    63,
    "must be 1 to 63 letters, digits, '_', '.' or '-', with a letter or digit at both ends",
)
"""The value of a label that is not empty; also a safe name for a folder."""
