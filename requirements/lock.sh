#!/bin/sh
# Renews the locked requirements (run by `make lock`); pass e.g. --upgrade-package NAME on.
set -eu
cd "$(dirname "$0")/.."
compile() {
    out=$1
    shift
    "${UV:-uv}" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
        --custom-compile-command "make lock" "$@" --output-file "requirements/$out.txt"
}
compile demo pyproject.toml --extra cli requirements/build.in
compile dev pyproject.toml --extra cli --group dev requirements/build.in --constraint requirements/demo.txt
compile function requirements/function.in --constraint requirements/demo.txt
compile ministack requirements/ministack.in
compile bootstrap requirements/bootstrap.in
