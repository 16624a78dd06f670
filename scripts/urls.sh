#!/usr/bin/env bash
# Where the containers are to be looked at, and with which passwords: what `make up` ends with.
#   scripts/urls.sh 0.0.0.0:443     as `docker compose port nginx 8443` says it
set -euo pipefail
folder=deploy/compose/secrets
port=${1##*:}
base=https://localhost
[ "$port" = 443 ] || base=$base:$port
cat <<EOF

the fleet runs in containers
  status and runbooks  $base/           user operator, password in $folder/operator_password
  Grafana              $base/grafana/   user admin, password in $folder/grafana_password
  Gotify               $base/gotify/    user admin, password in $folder/gotify_password
The certificate is self-signed unless you put your own into $folder (tls.crt, tls.key).
  docker compose -f deploy/compose/compose.yaml run --rm fleet status
  make down
EOF
