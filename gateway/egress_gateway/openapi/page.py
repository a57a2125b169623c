"""The document as one page of HTML, for people: in comes the document, out comes text that needs nothing else.

No script, no other file, no other host: the page works where nothing of the internet is reached, and its policy forbids
everything that it does not need. Every text is escaped; of Markdown it knows what the document uses.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any, Final

from egress_gateway.openapi.parts import Schema

STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --accent: #06a; }
@media (prefers-color-scheme: dark) { :root { --accent: #6bf; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line); }
h3 { margin-top: 2.5rem; }
a { color: var(--accent); }
code, pre { font: 0.875em/1.5 ui-monospace, monospace; }
pre { background: var(--soft); padding: 0.75rem; overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 0.75rem 0.25rem 0; border-top: 1px solid var(--line); }
td ul { margin: 0; padding-left: 1rem; }
.method { color: var(--accent); }
"""
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_CODE: Final = re.compile(r"`([^`]*)`")
_BOUNDS: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "maxItems": "at most {} items",
}


def page(document: Schema) -> str:
    """Return the page."""
    info, tags, schemas = document["info"], document["tags"], document["components"]["schemas"]
    calls = [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return "\n".join(
        [
            f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{escape(info["title"])}</title>',
            f'<meta name="viewport" content="width=device-width">\n<style>{STYLE}</style>',
            f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>",
            _text(info["description"]),
            '<p>For programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>',
            *_contents(tags, calls),
            *(line for tag in tags for line in _tag(tag, calls, document)),
            "<h2 id=schemas>Schemas</h2>",
            *(line for name, schema in schemas.items() for line in _schema(name, schema)),
            "</html>\n",
        ]
    )


def _contents(tags: list[Schema], calls: list[tuple[str, str, Schema]]) -> Iterator[str]:
    yield "<ul>"
    for tag in tags:
        links = ", ".join(
            f'<a href="#{operation["operationId"]}">{escape(operation["operationId"])}</a>'
            for _, _, operation in calls
            if tag["name"] in operation["tags"]
        )
        yield f"<li>{escape(tag['name'])}: {links}</li>"
    yield '<li><a href="#schemas">schemas</a></li></ul>'


def _tag(tag: Schema, calls: list[tuple[str, str, Schema]], document: Schema) -> Iterator[str]:
    yield f"<h2>{escape(tag['name'].capitalize())}</h2>"
    yield _text(tag["description"])
    for method, path, operation in calls:
        if tag["name"] in operation["tags"]:
            yield from _call(method, path, operation, document)


def _call(method: str, path: str, operation: Schema, document: Schema) -> Iterator[str]:
    yield f'<h3 id="{operation["operationId"]}">{escape(operation["summary"])}</h3>'
    yield f"<p><code><b class=method>{method}</b> {escape(path)}</code></p>"
    yield _text(operation["description"])
    rows = [
        (
            f"<code>{escape(parameter['name'])}</code> in {parameter['in']}",
            f"{_kind(parameter['schema'])}{', needed' if parameter.get('required') else ''}",
            _inline(parameter["description"]),
        )
        for parameter in operation["parameters"]
    ]
    yield from _table(("Parameter", "What may stand there", "Meaning"), rows)
    if body := operation.get("requestBody"):
        content = body["content"]["application/json"]
        yield f"<p>Body{'' if body.get('required') else ', may be absent'}: {_kind(content['schema'])}</p>"
        for example in content["examples"].values():
            yield _block(example["value"])
    answers = [(code, _resolved(answer, document)) for code, answer in operation["responses"].items()]
    yield from _table(
        ("Answer", "What it means", "Headers", "Body"),
        [(code, _text(answer["description"]), _headers(answer), _bodies(answer)) for code, answer in answers],
    )
    for answer in (answer for _, answer in answers):
        for content in answer.get("content", {}).values():
            if "example" in content:
                yield _block(content["example"])


def _headers(answer: Schema) -> str:
    return ", ".join(f"<code>{escape(name)}</code>" for name in answer["headers"])


def _bodies(answer: Schema) -> str:
    return ", ".join(
        _kind(content["schema"]) if "$ref" in content["schema"] else f"<code>{escape(media)}</code>"
        for media, content in answer.get("content", {}).items()
    )


def _schema(name: str, schema: Schema) -> Iterator[str]:
    yield f'<h3 id="{name}">{escape(name)}</h3>'
    if "description" in schema:
        yield _text(schema["description"])
    if "properties" not in schema:
        yield f"<p>{_kind(schema)}</p>"
        return
    needed = schema.get("required", ())
    # What is taken is closed, what is answered is open.
    word = "needed" if schema.get("additionalProperties") is False else "always there"
    yield from _table(
        ("Field", "What may stand there", "Meaning"),
        [
            (
                f"<code>{escape(field)}</code>",
                _kind(described) + (f", {word}" if field in needed else ""),
                _inline(described.get("description", "")),
            )
            for field, described in schema["properties"].items()
        ],
    )


def _kind(schema: Schema) -> str:
    """Return what a schema lets through, in words."""
    default = schema.get("default")
    suffix = "" if default is None else f"; default <code>{escape(json.dumps(default))}</code>"
    return _form(schema) + suffix


def _form(schema: Schema) -> str:
    match schema:
        case {"$ref": str(target)}:
            name = target.rpartition("/")[2]
            return f'<a href="#{name}">{escape(name)}</a>'
        case {"anyOf": forms} | {"oneOf": forms}:
            return " or ".join(map(_kind, forms))
        case {"const": value}:
            return f"<code>{escape(json.dumps(value))}</code>"
        case {"enum": values}:
            return ", ".join(f"<code>{escape(json.dumps(value))}</code>" for value in values)
        case {"type": "array", "items": items}:
            words = [f"list of {_kind(items)}"]
        case _:
            words = [str(schema.get("format") or schema.get("type", "anything"))]
    if "x-sentence" in schema:
        return escape(f"{words[0]}: {schema['x-sentence']}")
    words += [sentence.format(schema[key]) for key, sentence in _BOUNDS.items() if key in schema]
    if "pattern" in schema:
        words.append(f"matching <code>{escape(schema['pattern'])}</code>")
    return ", ".join(words)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield f"<table><tr>{''.join(f'<th>{head}</th>' for head in heads)}</tr>"
    for row in rows:
        yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>"
    yield "</table>"


def _block(example: Any) -> str:
    text = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
    return f"<pre>{escape(text)}</pre>"


def _text(markdown: str) -> str:
    """Return paragraphs and lists; lines that begin with `- ` are items."""
    parts = []
    for block in markdown.strip().split("\n\n"):
        if block.startswith("- "):
            items = re.split(r"(?m)^- ", block)[1:]
            parts.append(f"<ul>{''.join(f'<li>{_inline(item.strip())}</li>' for item in items)}</ul>")
        else:
            parts.append(f"<p>{_inline(block)}</p>")
    return "".join(parts)


def _inline(markdown: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(markdown))


def _resolved(answer: Schema, document: Schema) -> Schema:
    target: Schema = document
    if "$ref" not in answer:
        return answer
    for part in answer["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return target
