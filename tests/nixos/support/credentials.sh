#!/usr/bin/env bash
# Makes the secrets of the tests in a folder, where a deployment would have decrypted its own.
# They are the same on every host, and stand in no file of the repository or of the store.
set -euo pipefail
umask 0377
folder=$1
mkdir -p -m 0755 "$folder"

random() { # NAME
  printf 'a secret of the tests: %s' "$1" | sha256sum | cut -c 1-64
}

keep() { # NAME: what the tests have changed stays
  [[ -e $folder/$1 ]] || cat > "$folder/$1"
}

for name in admin-password api-secret-key jwt-secret oidc-client-secret redis-password smtp-password; do
  random "$name" | keep "$name"
done
random fernet-key | head -c 32 | base64 | tr '+/' '-_' | keep fernet-key
printf '[default]\naws_access_key_id = test\naws_secret_access_key = %s\n' "$(random aws)" | keep aws
echo "http://billing:$(random billing)@billing.example.org/" | keep connection-billing
echo "aws://test:$(random task-logs)@/?endpoint_url=http%3A%2F%2Fmain%3A5000&region_name=us-east-1" | keep connection-task-logs
echo "mysql+mysqldb://worker:$(random warehouse)@main/warehouse?charset=utf8mb4" | keep warehouse-url
