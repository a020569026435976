#!/usr/bin/with-contenv bashio
# Runs a node. The first start writes ward.yaml; from then on it is the operator's (folder addon_configs in Home Assistant).
set -euo pipefail
config=${LAENNEC_CONFIG:-/config/ward.yaml}
secret=${STATE_DIRECTORY:-/data}/mqtt-password

mkdir -p "${CACHE_DIRECTORY:-/data/cache}"
broker=()
if bashio::services.available mqtt; then
    (umask 077 && bashio::services mqtt password >"$secret") # at each start: Home Assistant may have changed it
    broker=(--broker "$(bashio::services mqtt host):$(bashio::services mqtt port)"
        --user "$(bashio::services mqtt username)" --password-file "$secret")
fi
if [ ! -e "$config" ]; then
    laennec init -o "$config" --node home-assistant --source "$(bashio::config source)" "${broker[@]}" || true # 1: a check fails
    [ -e "$config" ] || bashio::exit.nok "no settings were written; see the line above"
    echo 'home_assistant: {}       # each bed is a device of Home Assistant' >>"$config"
fi
exec laennec run --config "$config"
