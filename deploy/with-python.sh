#!/bin/sh
# Finds a Python and runs a command with deploy/environment.py: `with-python.sh up --check`.
set -eu
# Paths on the command line are relative to the caller's folder.
export MACHINIST_CALLED_FROM="$PWD"
cd "$(dirname "$0")/.."

for python in ${PYTHON:-python3 python3.13 python3.12 python3.11 python3.14 python}; do
    # A pyenv shim on the PATH may run no Python.
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        exec "$python" -m deploy.environment "$@"
    fi
done
echo "Python 3.11 or newer is needed, and none was found as" \
    "${PYTHON:-python3, python3.11 and the like}: install one, or name one (PYTHON=/path/to/python3)" >&2
exit 1
