"""Compose file and Kubernetes manifests against their schemas, the Dockerfile against hadolint's rules. Reads JSON, prints problems."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import kubernetes_validate
import yaml

KUBERNETES = "1.33"


def main():
    given = json.load(sys.stdin)
    root = Path(given["root"])
    problems = []
    schema = json.loads(Path(given["composeSchema"]).read_text())
    compose = yaml.safe_load((root / "deploy/compose.yaml").read_text())
    validator = jsonschema.validators.validator_for(schema)(schema)
    problems += [f"compose.yaml: {error.json_path}: {error.message}" for error in validator.iter_errors(compose)]
    seen = []
    for path in sorted((root / "deploy/kubernetes").glob("*.yaml")):
        for manifest in yaml.safe_load_all(path.read_text()):
            if manifest["kind"] == "Kustomization":
                continue
            seen.append(manifest["kind"])
            try:
                kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
            except kubernetes_validate.ValidationError as error:
                problems.append(f"{path.name}: {error.message}")
    lint = subprocess.run([given["hadolint"], str(root / "Dockerfile")], capture_output=True, text=True)
    if lint.returncode != 0:
        problems.append(lint.stdout + lint.stderr)
    # Each validator must be able to refuse.
    compose["services"]["eider"]["prots"] = []
    assert list(validator.iter_errors(compose)), "the compose schema takes anything"
    print(json.dumps({"problems": problems, "kinds": sorted(seen)}))


main()
