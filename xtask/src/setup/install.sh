# Installs packages without starting their daemons. Run as root.
# Arguments: the policy file of invoke-rc.d, then the packages.
set -eu
policy=$1
shift
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
# The package lists may be missing or old: fetch them only when the first try fails.
apt-get install -y -q --no-install-recommends "$@" || {
    apt-get update -q
    apt-get install -y -q --no-install-recommends "$@"
}
