#!/bin/sh
# Healthy = the gateway's account may log in and subscribe. -E leaves as soon as the broker has acknowledged.
exec mosquitto_sub -h 127.0.0.1 -p 1883 -u "$BROKER_USER" -P "$BROKER_PASSWORD" -t 'tanmai/v1/#' -E -W 3
