#!/usr/bin/env bash
# Puts a release into maintenance: see --help.
. "$(dirname "${BASH_SOURCE[0]}")/lib/switch.sh"
main true maintenance "$@"
