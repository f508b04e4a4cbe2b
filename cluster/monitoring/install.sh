#!/bin/sh
# Gets Prometheus and Grafana for a Ray head: install.sh [FOLDER]
#
# From packages of the machine's distribution and of apt.grafana.com, whose signatures apt checks; of Grafana's key the
# fingerprint stands here. They are unpacked below FOLDER and not installed: no root, no service that starts by itself.
# A program that is there already is left as it is. What cannot be had is said, and is no error: Ray runs without.
set -eu
folder=${1:-$HOME/rac_ray_monitoring}
grafana_version=${GRAFANA_VERSION:-12.1.1}
grafana_packages=${GRAFANA_PACKAGES:-https://apt.grafana.com}
grafana_key=${GRAFANA_KEY:-B53AE77BADB630A683046005963FA27710458545}
export PATH="$folder/usr/bin:$folder/usr/share/grafana/bin:$PATH"
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

# apt-get with lists and a cache of its own: apt_get PLACE ARGUMENT...
apt_get() {
  place=$folder/apt/$1
  shift
  mkdir -p "$place/lists/partial" "$place/cache/archives/partial"
  apt-get --quiet -o Dir::State::Lists="$place/lists" -o Dir::Cache="$place/cache" -o Debug::NoLocking=true \
    -o APT::Sandbox::User= "$@"
}

# The functions return an error as soon as one of their steps fails.
unpack() {
  for package in "$folder/apt/packages/"*.deb; do dpkg-deb --extract "$package" "$folder" || return; done
}

get_prometheus() {
  apt_get distribution update > /dev/null && apt_get distribution download prometheus > /dev/null && unpack
}

get_grafana() {
  trusted=$folder/apt/trusted
  mkdir -p "$trusted" "$folder/apt/none"
  /usr/lib/apt/apt-helper -o APT::Sandbox::User= download-file "$grafana_packages/gpg.key" \
    "$trusted/grafana.asc" > /dev/null || return
  echo "deb [signed-by=$grafana_key] $grafana_packages stable main" > "$folder/apt/grafana.list"
  set -- -o Dir::Etc::SourceList="$folder/apt/grafana.list" -o Dir::Etc::SourceParts="$folder/apt/none" \
    -o Dir::Etc::TrustedParts="$trusted" -o Dir::Etc::Trusted=/dev/null -o APT::Update::Error-Mode=any
  apt_get grafana "$@" update > /dev/null &&
    apt_get grafana "$@" download "grafana=$grafana_version" > /dev/null && unpack
}

for program in prometheus grafana; do
  command -v "$program" > /dev/null && continue
  mkdir -p "$folder/apt/packages"
  cd "$folder/apt/packages"
  "get_$program" || echo "$program cannot be had: the Metrics page of Ray's dashboard stays empty" >&2
  cd "$folder"
  rm -rf "$folder/apt"
done
