#!/bin/sh
# Make the broker's first accounts, before it listens to anybody: the administrator, and the gateway, which may read what
# all agents publish and answer with receipts. Accounts of agents are made by the gateway, one for each device token.
#   accounts.sh STORE PORT      STORE: the dynamic-security plugin's file; PORT: a free loopback port, used for a moment
# Names and passwords come from BROKER_ADMIN_USER, BROKER_ADMIN_PASSWORD, BROKER_USER and BROKER_PASSWORD.
set -eu
store=$1
port=$2
plugin=${MOSQUITTO_PLUGIN:-/usr/lib/mosquitto_dynamic_security.so}

work=$(mktemp -d)
broker=''
cleanup() { if [ -n "$broker" ]; then kill "$broker" 2>/dev/null || true; fi; rm -rf "$work"; }
trap cleanup EXIT
trap 'exit 1' INT TERM

chmod 755 "$work"
mosquitto_ctrl dynsec init "$work/store.json" "$BROKER_ADMIN_USER" "$BROKER_ADMIN_PASSWORD" >/dev/null
cat >"$work/first.conf" <<END
listener $port 127.0.0.1
allow_anonymous false
plugin $plugin
plugin_opt_config_file $work/store.json
END
# The plugin writes its file anew after each change, as the user that the broker runs as.
if [ "$(id -u)" = 0 ]; then echo "user root" >>"$work/first.conf"; fi
mosquitto -c "$work/first.conf" >"$work/log" 2>&1 &
broker=$!

ctrl() {
    mosquitto_ctrl -h 127.0.0.1 -p "$port" -u "$BROKER_ADMIN_USER" -P "$BROKER_ADMIN_PASSWORD" dynsec "$@" >"$work/answer" 2>&1
}
tries=0
until ctrl listClients; do
    tries=$((tries + 1))
    if [ "$tries" -ge 50 ]; then cat "$work/log" "$work/answer" >&2; exit 1; fi
    sleep 0.2
done

ctrl createRole gateway
ctrl addRoleACL gateway subscribePattern 'tanmai/v1/#' allow
ctrl addRoleACL gateway subscribePattern '$share/+/tanmai/v1/#' allow
ctrl addRoleACL gateway publishClientReceive 'tanmai/v1/#' allow
ctrl addRoleACL gateway publishClientSend 'tanmai/v1/+/+/receipts' allow
ctrl addRoleACL gateway publishClientSend 'tanmai/v1/+/+/config' allow
ctrl addRoleACL gateway publishClientSend 'tanmai/v1/-/+/probe' allow
ctrl createClient "$BROKER_USER" -p "$BROKER_PASSWORD"
ctrl addClientRole "$BROKER_USER" gateway

kill "$broker"
wait "$broker" || true
broker=''
mv "$work/store.json" "$store"
