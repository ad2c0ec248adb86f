#!/bin/sh
# What the broker's container runs: accounts at the first start, then the broker.
set -eu
store=/mosquitto/data/dynamic-security.json
if [ ! -f "$store" ]; then
    /bin/sh /etc/tanmai/accounts.sh "$store" 18830
    if [ "$(id -u)" = 0 ]; then chown mosquitto:mosquitto "$store"; fi
fi
exec mosquitto -c /etc/tanmai/mosquitto.conf
