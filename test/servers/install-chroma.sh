#!/usr/bin/env bash
# Installs the Chroma server of the tests into .cache/chroma: not a dependency of the package (420 MB), so `npm test`
# alone skips the suites that need it. Exact versions; newer bindings need glibc 2.38.
set -euo pipefail
folder=$(cd "$(dirname "$0")/../.." && pwd)/.cache/chroma
mkdir -p "$folder"
cat >"$folder/package.json" <<'EOF'
{
  "private": true,
  "dependencies": { "chromadb": "3.5.0" },
  "overrides": { "chromadb-js-bindings-linux-x64-gnu": "1.0.5" }
}
EOF
npm install --prefix "$folder" --no-audit --no-fund --ignore-scripts
