#!/usr/bin/env python3
"""Do the tables of docs/manifest.md say what alephc knows of every key?

check_manual.py PROJECT

Compares key, type, default and description of each row with schemas/runtime.schema.json, which
the golden tests hold to the key table of the compiler. A row may say more than the description, cut
a long list of values short with …, and say "required", which a schema cannot: a part of a recipe
need not have what the whole must."""

import json
import pathlib
import re
import sys

ITEMS = {"string": "strings", "integer": "integers", "object": "tables"}


def type_of(key):
    if "enum" in key:
        return " | ".join(map(str, key["enum"]))
    if "anyOf" in key:
        return " or ".join(map(type_of, key["anyOf"]))
    if key["type"] == "array":
        kinds = key["items"].get("anyOf", [key["items"]])
        return "array of " + " or ".join(ITEMS[kind.get("type", "object")] for kind in kinds)
    if key["type"] == "object" and "additionalProperties" in key:
        return "table of strings"
    return key["type"]


def default_of(key):
    found = re.search(r" \(default: (.*)\)$", key["description"])
    return found[1] if found else ""


def table_at(schema, heading):
    """The schema of `[a.b]` or `[[a.b]]`; "top" is the whole."""
    place = schema
    for name in re.findall(r"[a-z]+", heading.replace("top", "")):
        place = place["properties"][name]
        place = place.get("items", place)
        place = place.get("then", place)
    return place


def expected_rows(table):
    """Key, [type, default, what] of all but tables of their own."""
    for name, key in table["properties"].items():
        is_table = "properties" in key or "then" in key.get("items", {})
        if not is_table:
            what = re.sub(r" \(default: .*\)$", "", key["description"])
            yield name, [type_of(key), default_of(key), what]


def says_the_same(row, expected):
    kind, default, what = row
    beginning, cut, end = kind.partition(" … ")
    same_kind = (
        expected[0].startswith(beginning) and expected[0].endswith(end)
        if cut
        else kind == expected[0]
    )
    same_default = default == expected[1] or (default == "required" and expected[1] == "")
    return same_kind and same_default and what.replace("`", "").startswith(expected[2])


def written_rows(manual):
    """(heading, key, [type, default, what]) of every row below "Keys"."""
    heading = ""
    for line in manual.splitlines():
        title = re.match(r"#+ `?([^`]*)`?", line)
        heading = title[1] if title else heading
        row = re.match(r"\| `([a-z_0-9]+)` \| (.*) \|$", line)
        if row and (heading == "top" or heading.startswith("[")):
            cells = re.split(r" *(?<!\\)\| ?", row[2])
            yield heading, row[1], [cell.strip().replace("\\|", "|") for cell in cells]


def main():
    root = pathlib.Path(sys.argv[1])
    schema = json.loads((root / "schemas/runtime.schema.json").read_text())
    written: dict[str, dict[str, list[str]]] = {}
    for heading, key, cells in written_rows((root / "docs/manifest.md").read_text()):
        written.setdefault(heading, {})[key] = cells
    problems = []
    for heading, rows in written.items():
        for name, cells in expected_rows(table_at(schema, heading)):
            if name not in rows:
                problems.append(f"{heading} lacks `{name}`")
            elif not says_the_same(rows[name], cells):
                problems.append(f"{heading} {name}: {rows[name]}, but the key table says {cells}")
    for problem in problems:
        print(f"docs/manifest.md: {problem}")
    print(f"{sum(map(len, written.values()))} rows, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
