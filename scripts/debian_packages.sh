#!/bin/sh
# Install the real servers that the tests start (Debian and Ubuntu), where this may be done: as root or with passwordless
# sudo. Elsewhere say what will be skipped. With CI=true a missing server is an error.
# Nothing is left running or enabled: the tests start their own servers on free ports.
set -eu
PATH="$PATH:/usr/sbin:/sbin"

# package, a file or program that shows it is there, what is tested with it
wanted='mosquitto|mosquitto|the MQTT path
mosquitto-clients|mosquitto_pub|the bench of the MQTT path
influxdb|influxd|the InfluxDB store, 1.x
victoria-metrics|victoria-metrics|the InfluxDB store, v2 writes
chromium|chromium|the pages in a browser
libatomic1|/usr/lib/*/libatomic.so.1|the pages in a browser: what drives it is linked with it
postgresql|/usr/lib/postgresql/*/bin/postgres|the relational store on PostgreSQL
socat|socat|serial lines
mbpoll|mbpoll|serial lines with a slave of libmodbus
fonts-wqy-zenhei|/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc|Chinese text in screenshots'

present() {
    case $1 in
        /*) for file in $1; do [ -e "$file" ] && return 0; done; return 1 ;;
        *) command -v "$1" >/dev/null 2>&1 ;;
    esac
}

missing_packages() {
    echo "$wanted" | while IFS='|' read -r package shows _; do
        present "$shows" || echo "$package"
    done
}

missing=$(missing_packages | tr '\n' ' ')
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then sudo=''
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then sudo='sudo -n'
else sudo=none
fi

if [ "$sudo" != none ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing for the tests: $missing"
    made_policy=''
    policy=/usr/sbin/policy-rc.d
    cleanup() { if [ -n "$made_policy" ]; then $sudo rm -f "$policy"; fi; }
    trap cleanup EXIT
    trap 'exit 1' INT TERM
    if [ ! -e "$policy" ]; then  # 101 = do not start services; Debian's own way, see invoke-rc.d(8)
        printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
        $sudo chmod 755 "$policy"
        made_policy=yes
    fi
    apt() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" >/dev/null; }
    # The lists are fetched only where they do not know the packages yet, or are too old to fetch them.
    known() { for package in $missing; do apt-cache show "$package" >/dev/null 2>&1 || return 1; done; }
    known || apt update
    for package in $missing; do
        apt install -y --no-install-recommends "$package" || { apt update && apt install -y --no-install-recommends "$package"; } \
            || echo "could not install $package" >&2
        # Where systemd runs the machine, a package would start its service at the next boot.
        if [ -d /run/systemd/system ]; then $sudo systemctl disable --quiet "$package" 2>/dev/null || true; fi
    done
fi

status=0
while IFS='|' read -r package shows tested; do
    if present "$shows"; then continue; fi
    echo "missing: $package. Skipped without it: $tested. Install it with: apt-get install $package" >&2
    status=1
done <<END
$wanted
END
if [ "$status" = 1 ] && [ "${CI:-}" = true ]; then
    echo "with CI=true nothing may be skipped" >&2
    exit 1
fi
