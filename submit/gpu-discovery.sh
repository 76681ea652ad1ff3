#!/usr/bin/env bash
# The GPUs of this machine, in the form that Spark's spark.{executor,worker}.resource.gpu.discoveryScript
# expects: {"name": "gpu", "addresses": ["0", "1"]}.
set -euo pipefail
if ! indices=$(nvidia-smi --query-gpu=index --format=csv,noheader); then
  echo "gpu-discovery.sh: nvidia-smi does not work here: ${indices:-it says no more}" >&2
  exit 1
fi
addresses=$(printf '%s\n' "$indices" | sed 's/ //g; s/.*/"&"/' | paste -sd, -)
printf '{"name": "gpu", "addresses": [%s]}\n' "$addresses"
