#!/usr/bin/env bash
# Ends a release's maintenance: see --help.
. "$(dirname "${BASH_SOURCE[0]}")/lib/switch.sh"
main false normal "$@"
