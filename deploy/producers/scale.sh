#!/usr/bin/env bash
# Scales a controller by an event, with only curl and gzip, over RabbitMQ's HTTP API, which is not
# made for load. Exit status: 0 accepted, 1 not accepted and never run, 2 wrong arguments, 3 not
# known: repeat the command.
set -euo pipefail

usage() {
    cat <<'END'
usage: scale.sh [--help] SCOPE NAME REPLICAS

Publishes a command to scale a controller. Variables:
  RABBITMQ_URL       the management UI (default: http://localhost:15672)
  RABBITMQ_USER      default: guest; it needs the tag `management`
  RABBITMQ_PASSWORD  default: guest
  RABBITMQ_VHOST     default: /
  PROVIDER           the provider name (default: k8s)
  DEADLINE           seconds to start the command, at most 600 (default: 60)
END
}

# cat -v escapes control characters, because the message may quote the broker.
complain() { printf 'scale.sh: %s\n' "${2//[$'\r\n']/ }" | cat -v >&2; exit "$1"; }

[[ ${1-} == --help ]] && { usage; exit 0; }
[[ $# -eq 3 ]] || { usage >&2; exit 2; }
scope=$1 name=$2 replicas=$3
provider=${PROVIDER:-k8s} deadline=${DEADLINE:-60} user=${RABBITMQ_USER:-guest}

for word in "$scope" "$name"; do
    [[ $word =~ ^[A-Za-z0-9_-]{1,80}$ ]] ||
        complain 2 "expected at most 80 of A-Z a-z 0-9 _ -, got '$word' (see: machinist address)"
done
[[ $provider =~ ^[a-z][a-z0-9-]{0,31}$ ]] || complain 2 "PROVIDER: expected a name such as k8s, got '$provider'"
[[ $replicas =~ ^[0-9]{1,6}$ ]] || complain 2 "REPLICAS: expected a whole number, got '$replicas'"
[[ $deadline =~ ^[1-9][0-9]{0,2}$ && $deadline -le 600 ]] ||
    complain 2 "DEADLINE: expected seconds from 1 to 600, got '$deadline'"
[[ $user =~ ^[A-Za-z0-9_.@-]+$ ]] || complain 2 "RABBITMQ_USER (not shown): expected a plain name"

[[ ${RABBITMQ_PASSWORD-} != *$'\n'* ]] || complain 2 "RABBITMQ_PASSWORD (not shown): expected one line"
url=${RABBITMQ_URL-http://localhost:15672}
pattern='^(https?://([^][/@?#:[:space:]]+|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?)(/[^@?#[:space:]]*)?$'
[[ $url =~ $pattern ]] ||
    complain 2 "RABBITMQ_URL (not shown): expected a URL such as http://host:15672; user and password belong in RABBITMQ_USER and RABBITMQ_PASSWORD"
host=${BASH_REMATCH[1]}

address=controllers.$scope.$name
# The last eight bytes of gzip's output are the CRC-32 in little-endian order, and the length.
slot=$(($(printf %s "$address" | gzip -c | tail -c 8 | od -An -N1 -tu1) % 8))
key=$provider.$slot.$address
id=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
now=$(date +%s)

vhost=$(printf %s "${RABBITMQ_VHOST:-/}" | od -An -v -tx1 | tr -d '\n' | tr ' ' %)
url=${url%/}/api/exchanges/$vhost/machinist.events/publish

message='{
  "routing_key": "'$key'",
  "payload": "{\"scope\": \"'$scope'\", \"name\": \"'$name'\", \"replicas\": '$((10#$replicas))'}",
  "payload_encoding": "string",
  "properties": {
    "type": "update_controller_replicas",
    "message_id": "'$id'",
    "user_id": "'$user'",
    "content_type": "application/json",
    "delivery_mode": 2,
    "expiration": "'$((deadline * 1000))'",
    "timestamp": '$now',
    "app_id": "scale.sh",
    "headers": {"deadline": '$(((now + deadline) * 1000))'}
  }
}'

# The password is passed by a file descriptor, because all users can read command lines.
password=${RABBITMQ_PASSWORD:-guest}
password=${password//\\/\\\\}
answer=$(curl --silent --show-error --max-time 20 --header 'content-type: application/json' \
    --config <(printf 'user = "%s:%s"\n' "$user" "${password//\"/\\\"}") \
    --data-binary "$message" --write-out '\n%{http_code}' "$url") ||
    case $? in
        6 | 7) complain 1 "no connection to $host" ;;
        *) complain 3 "no response: not known whether the command was accepted" ;;
    esac
status=${answer##*$'\n'} answer=${answer%$'\n'*}

case $status:${answer// /} in
    200:*'"routed":true'*) echo "accepted: $key $id" ;;
    200:*) complain 1 "not routed: no worker has ever attached as '$provider'" ;;
    401:*) complain 1 "user '$user' may not use this virtual host here: a wrong password, or no tag 'management'" ;;
    404:*exchange_not_found*) complain 1 "no exchange 'machinist.events': machinist has never used this virtual host" ;;
    400:*rejected*) complain 1 "nacked: the queue is full; repeat it in a few seconds" ;;
    *) complain 1 "HTTP $status: $answer" ;;
esac
