"""What may be written in a Kubernetes manifest? JSON schemas for kubeconform, out of a swagger.json and CRD files.

`schemas.py OUTDIR swagger.json crd.yaml…`, then
`kubeconform -strict -schema-location 'OUTDIR/{{ .ResourceKind }}-{{ .Group }}-{{ .ResourceAPIVersion }}.json' FILE`
(the group of core is written v1). Strict: an object takes no key that its type does not name.
"""

import json
import pathlib
import sys

import yaml

yaml.SafeLoader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)  # a bare "="
INT_OR_STRING = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
SPECIAL = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": INT_OR_STRING,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
}

out = pathlib.Path(sys.argv[1])
out.mkdir(parents=True, exist_ok=True)
definitions = json.loads(pathlib.Path(sys.argv[2]).read_text())["definitions"]


def write(group, version, kind, schema):
    (out / f"{kind.lower()}-{group or version}-{version}.json").write_text(json.dumps(schema))


def close(node):
    """A strict copy of a structural schema."""
    if isinstance(node, list):
        return [close(element) for element in node]
    if not isinstance(node, dict):
        return node
    if node.get("x-kubernetes-int-or-string"):
        return INT_OR_STRING
    strict = {}
    for key, value in node.items():
        if key == "properties":
            strict[key] = {name: close(property) for name, property in value.items()}
        elif key in ("items", "additionalProperties", "not"):
            strict[key] = close(value)
        elif key in ("allOf", "anyOf", "oneOf"):
            strict[key] = value
        elif key not in ("description", "default", "example") and not key.startswith("x-"):
            strict[key] = value
    preserve = node.get("x-kubernetes-preserve-unknown-fields")
    if "properties" in strict and "additionalProperties" not in strict and not preserve:
        strict["additionalProperties"] = False
    return strict


def resolve(node, path=()):
    """The node with every reference replaced by what it refers to; a circle ends in "anything"."""
    if isinstance(node, list):
        return [resolve(element, path) for element in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        name = node["$ref"].rsplit("/", 1)[1]
        if name in SPECIAL:
            return SPECIAL[name]
        return {} if name in path else resolve(definitions[name], (*path, name))
    return {key: resolve(value, path) for key, value in node.items()}


for name, definition in definitions.items():
    kinds = definition.get("x-kubernetes-group-version-kind", [])
    if len(kinds) != 1:
        continue  # no resource, or DeleteOptions and its like
    group, version, kind = kinds[0]["group"], kinds[0]["version"], kinds[0]["kind"]
    strict = close(resolve(definition, (name,)))
    properties = strict.setdefault("properties", {})
    properties["apiVersion"] = {"enum": ["/".join(filter(None, (group, version)))]}
    properties["kind"] = {"enum": [kind]}
    strict["required"] = sorted({*strict.get("required", []), "apiVersion", "kind"})
    write(group, version, kind, strict)

metadata = close(resolve({"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}))
for file in sys.argv[3:]:
    for document in yaml.safe_load_all(pathlib.Path(file).read_text()):
        if not document or document.get("kind") != "CustomResourceDefinition":
            continue
        spec = document["spec"]
        for version in spec["versions"]:
            strict = close(version["schema"]["openAPIV3Schema"])
            strict.setdefault("properties", {}).update(
                metadata=metadata, apiVersion={"type": "string"}, kind={"type": "string"}
            )
            strict["additionalProperties"] = False
            write(spec["group"], version["name"], spec["names"]["kind"], strict)
