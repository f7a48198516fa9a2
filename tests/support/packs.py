"""The manifest of a model pack that no runtime could load: its files are any bytes."""

import hashlib
from collections.abc import Mapping
from typing import Any


def toy_manifest(files: Mapping[str, bytes], /, **changes: Any) -> dict[str, Any]:
    return {
        "format": "sealmatch-model-pack/1",
        "id": "toy",
        "version": "1",
        "recipe": "faceplugin-two-pass/1",
        "embedder": "net",
        "dimension": 128,
        "preprocessing": "none",
        "files": {
            name: {"sha256": hashlib.sha256(body).hexdigest(), "bytes": len(body)}
            for name, body in files.items()
        },
        "licence": {"stated": "none", "warnings": []},
        "calibration": "none",
        "thresholds": [{"fmr": 0.001, "cosine": 0.3}],
        **changes,
    }
