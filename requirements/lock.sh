#!/bin/sh
# Renews the locked requirements (run by `make lock`).
set -eu
cd "$(dirname "$0")/.."
compile() {
    out=$1
    shift
    "${UV:-uv}" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
        --custom-compile-command "make lock" "$@" --output-file "$out.txt"
}
compile requirements/demo pyproject.toml --extra cli requirements/build.in
compile requirements/dev pyproject.toml --extra cli --group dev requirements/build.in requirements/aws-lambda.in requirements/gcp-function.in \
    --constraint requirements/demo.txt
# The functions' locks are data of the package: whoever has only the distribution builds the function too.
compile elastic_iac/package/aws-lambda requirements/function.in requirements/aws.in requirements/aws-lambda.in --constraint requirements/dev.txt
compile elastic_iac/package/gcp-function requirements/function.in requirements/gcp.in requirements/gcp-function.in --constraint requirements/dev.txt
compile examples/container/requirements requirements/function.in requirements/aws.in requirements/aws-lambda.in examples/container/extra.in \
    --constraint requirements/dev.txt
compile requirements/rivals pyproject.toml --extra cli --extra models requirements/rivals.in --constraint requirements/demo.txt \
    --override requirements/rivals-override.txt
compile requirements/ministack requirements/ministack.in
compile requirements/bootstrap requirements/bootstrap.in
