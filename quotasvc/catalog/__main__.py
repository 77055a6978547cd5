"""`python -m quotasvc.catalog` prints the JSON Schema that is kept in catalog.schema.json."""

from quotasvc.catalog.schema import json_schema_text

print(json_schema_text(), end="")
