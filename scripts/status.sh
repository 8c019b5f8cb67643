#!/usr/bin/env bash
# Tells in which mode a release is: see --help.
. "$(dirname "${BASH_SOURCE[0]}")/lib/status.sh"
main "$@"
