#!/bin/sh
# Starts Prometheus and Grafana on the loopback of a Ray head, after Ray: start.sh [FOLDER]
#
# FOLDER has what install.sh got, and gets their configuration, data and logs. Those that an earlier call has started
# are ended first, and these end when Ray does: `ray down` ends Ray alone. Ports other than the usual ones:
# RAY_DASHBOARD_PORT, PROMETHEUS_PORT, GRAFANA_PORT.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:-$HOME/rac_ray_monitoring}
prometheus=127.0.0.1:${PROMETHEUS_PORT:-9090}
export PATH="$folder/usr/bin:$folder/usr/share/grafana/bin:$PATH"
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

set -- --ray "http://127.0.0.1:${RAY_DASHBOARD_PORT:-8265}"
[ "${RAY_AUTH_MODE:-}" = token ] && set -- "$@" --token "${RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}"
python "$here/configure.py" "$folder" "$@" --prometheus "http://$prometheus" --grafana-port "${GRAFANA_PORT:-3000}" ||
  { echo "no configuration: the Metrics page of Ray's dashboard stays empty" >&2; exit 0; }  # a sweep runs without

sh "$here/stop.sh" "$folder"

# In the background, with a log and the process's id in a file: start PROGRAM ARGUMENT...
start() {
  command -v "$1" > /dev/null || { echo "no $1: the Metrics page of Ray's dashboard stays empty" >&2; return 0; }
  setsid nohup "$@" > "$folder/$1.log" 2>&1 < /dev/null &
  echo $! > "$folder/$1.pid"
}

start prometheus --config.file="$folder/prometheus.yml" --storage.tsdb.path="$folder/prometheus" \
  --storage.tsdb.retention.time=30d --web.listen-address="$prometheus"
home=$folder/usr/share/grafana
[ -d "$home" ] || home=/usr/share/grafana
start grafana server --homepath "$home" --config "$folder/grafana/grafana.ini"

# Until Ray's dashboard has listened and does no more, or somebody has stopped or started them anew.
echo $$ > "$folder/started"
listens=$(printf ':%04X 0*:0000 0A' "${RAY_DASHBOARD_PORT:-8265}")
setsid nohup sh -c '
  while sleep 5; do
    [ "$(cat "$2/started")" = "$3" ] || exit
    if grep -qs "$4" /proc/net/tcp /proc/net/tcp6; then seen=yes; elif [ "${seen:-}" ]; then exec sh "$1/stop.sh" "$2"; fi
  done' watch "$here" "$folder" $$ "$listens" > /dev/null 2>&1 < /dev/null &
