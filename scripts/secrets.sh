#!/usr/bin/env bash
# Makes the secrets that the containers want and that are not there yet; never changes one that is. `make up` calls it.
#   scripts/secrets.sh [FOLDER]     (deploy/compose/secrets)
#   TLS_NAMES="trade.example.org 10.0.0.5"   further names for the self-signed certificate; localhost is always one
# Compose hands a secret over with its owner and mode, and containers run as users of their own: so the files can be read by
# all, and the folder can be entered by its owner only.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-deploy/compose/secrets}
umask 077
mkdir -p "$folder"
chmod 700 "$folder"

command -v openssl >/dev/null || { echo "secrets.sh: openssl is not there; install it (Debian, Ubuntu: apt install openssl)" >&2; exit 1; }

# keep NAME ABOUT: stdin becomes the file, in one step, so that a run that is cut short leaves no half of a secret.
keep() {
  local new
  new=$(mktemp "$folder/.new.XXXXXX")
  cat >"$new"
  [ -s "$new" ] || { rm -f "$new"; echo "secrets.sh: could not make $1" >&2; exit 1; }
  chmod 444 "$new"
  mv "$new" "$folder/$1"
  printf 'secrets: made %-27s %s\n' "$1" "$2"
}
missing() { [ ! -e "$folder/$1" ]; }
random() { openssl rand -hex 24 | tr -d '\n'; }
read_secret() { cat "$folder/$1"; }

missing postgres_password && random | keep postgres_password "of the database's owner"
missing database_url && printf 'postgresql://fleet:%s@postgres:5432/tradewinds' "$(read_secret postgres_password)" |
  keep database_url "made of postgres_password"
for service in data_collector strategy_engine risk_manager trade_executor portfolio scheduler backtester deadman monitor operator; do
  missing "${service}_database_url" && printf 'postgresql://tradewinds_%s:%s@postgres:5432/tradewinds' "$service" "$(random)" |
    keep "${service}_database_url" "with a role of its own"
done

missing valkey.conf && printf 'requirepass %s\n' "$(random)" | keep valkey.conf "the bus's password, as its configuration"
missing redis_url && printf 'redis://:%s@valkey:6379/0' "$(sed 's/^requirepass //' "$folder/valkey.conf")" |
  keep redis_url "made of valkey.conf"

missing grafana_password && random | keep grafana_password "of Grafana's user admin"
missing gotify_password && random | keep gotify_password "of Gotify's user admin"
missing prometheus_token && random | keep prometheus_token "with which alerts reach the monitor"

missing operator_password && random | keep operator_password "of the user operator on the status page"
missing htpasswd && printf 'operator:%s\n' "$(openssl passwd -6 -stdin <"$folder/operator_password")" |
  keep htpasswd "made of operator_password"

for name in email_password slack_webhook_url discord_webhook_url; do
  if missing "$name"; then
    (umask 133 && : >"$folder/$name")
    printf 'secrets: made %-27s %s\n' "$name" "empty: that channel is off until you write into it"
  fi
done

for name in alpaca_api_key alpaca_secret_key binance_api_key binance_secret_key \
  alpaca_deadman_api_key alpaca_deadman_secret_key binance_deadman_api_key binance_deadman_secret_key \
  alpaca_auditor_api_key alpaca_auditor_secret_key binance_auditor_api_key binance_auditor_secret_key; do
  if missing "$name"; then
    (umask 133 && : >"$folder/$name")
    printf 'secrets: made %-27s %s\n' "$name" "empty: wanted only where that venue is not simulated"
  fi
done

if missing tls.crt && missing tls.key; then
  names=DNS:localhost,IP:127.0.0.1
  for name in ${TLS_NAMES:-}; do
    case $name in
      *[!0-9.]*) names=$names,DNS:$name ;;
      *) names=$names,IP:$name ;;
    esac
  done
  made=$(mktemp -d)
  trap 'rm -rf "$made"' EXIT
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 825 -subj "/CN=Tradewinds" \
    -addext "subjectAltName=$names" -keyout "$made/tls.key" -out "$made/tls.crt" 2>/dev/null
  keep tls.key "of the certificate" <"$made/tls.key"
  keep tls.crt "self-signed, 825 days, for $names" <"$made/tls.crt"
elif missing tls.crt || missing tls.key; then
  echo "secrets.sh: of tls.crt and tls.key in $folder one is missing: put the pair there, or remove the other" >&2
  exit 1
fi
exit 0
