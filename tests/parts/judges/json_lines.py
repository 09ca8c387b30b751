"""Holds each line of standard input against the JSON Schema that is named; exit code 1 and every fault if one does not fit."""

import json
import sys

from jsonschema import Draft202012Validator

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
Draft202012Validator.check_schema(schema)
validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
faults = [
    f"{error.json_path}: {error.message}: {line}"
    for line in sys.stdin
    for error in validator.iter_errors(json.loads(line))
]
sys.exit("\n".join(faults) or None)
