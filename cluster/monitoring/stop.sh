#!/bin/sh
# Ends what start.sh has started: stop.sh [FOLDER]
set -eu
folder=${1:-$HOME/rac_ray_monitoring}
rm -f "$folder/started"
for program in prometheus grafana; do
  id=$folder/$program.pid
  [ -e "$id" ] || continue
  if grep -qs "$program" "/proc/$(cat "$id")/comm"; then
    kill "$(cat "$id")"
    while grep -qs "$program" "/proc/$(cat "$id")/comm"; do sleep 0.1; done
  fi
  rm "$id"
done
