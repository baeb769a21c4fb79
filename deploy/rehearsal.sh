#!/bin/bash
# The guide docs/deploy-systemd.md, done from its first line to its last on a bare Debian that boots here in a container:
# installed, started, a book made, upgraded to a later version while workers write, nothing lost. Prints what was typed
# and answered; docs/rehearsal.md is one such output. As root, with debootstrap and systemd-container:
#   deploy/rehearsal.sh FOLDER        FOLDER is made, and removed at the end; WHEELS=DIR takes the packages from there.
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mkdir -p "$1" && realpath "$1")
root=$folder/root
nspawn=

clean_up() {
  [ -z "$nspawn" ] || inside systemctl poweroff --force --force 2>/dev/null || true
  [ -z "$nspawn" ] || wait "$nspawn" || true
  [ -n "${KEEP:-}" ] || rm -rf --one-file-system "$folder"
}
trap clean_up EXIT

inside() { nsenter --target "$(tr -d " " < "/proc/$nspawn/task/$nspawn/children")" --all -- "$@"; }

# A command as the administrator of the machine would type it. What a pipe hides (| tail -3) is hidden here too.
try() {
  printf '# %s\n' "$1"
  inside env -C /srv/bookbot HOME=/root LC_ALL=C.UTF-8 PATH=/opt/bookbot/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    DATABASE_URL="postgresql://bookbot@/bookbot?host=/run/postgresql" book="${book:-}" whole="${whole:-}" \
    bash -c "$1" </dev/null 2>&1
}
# Shows what is said, and gives the id in it.
id_in() { tee -a /dev/stderr | grep -oE '^[0-9a-f-]{36}$' | tail -1; }
part() { printf '\n## %s\n\n' "$1"; }

# A bare Debian, the project beside its administrator's other files, and a later version of it for the second half.
[ -e "$root/etc" ] || debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,ca-certificates \
  "${SUITE:-bookworm}" "$root" "${MIRROR:-http://deb.debian.org/debian}" >"$folder/debootstrap.log"
cp /etc/resolv.conf "$root/etc/resolv.conf"
echo bookbot-host > "$root/etc/hostname"
for version in bookbot bookbot-later; do
  rm -rf "${root:?}/srv/$version"
  mkdir -p "$root/srv/$version"
  git -C "$source" archive HEAD | tar -x -C "$root/srv/$version"
done
later=$root/srv/bookbot-later
sed -i 's/__version__ = .*/__version__ = "99.0.0"/' "$later/shared/version.py"
head=$(cd "$later/shared/migrations/versions" && ls -- [0-9]*.py | tail -1 | cut -d_ -f1)
cat > "$later/shared/migrations/versions/9000_later.py" <<PYTHON
"""What a later version may bring: a column. Old workers may run on: they do not look at it."""

import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "$head"


def upgrade() -> None:
    op.add_column("books", sa.Column("of_a_later_version", sa.Text(), nullable=True))
PYTHON
if [ -n "${WHEELS:-}" ]; then
  mkdir -p "$root/opt/wheels" && cp "$WHEELS"/*.whl "$root/opt/wheels/"
  printf '[global]\nno-index = true\nfind-links = /opt/wheels\n' > "$root/etc/pip.conf"
fi

setsid systemd-nspawn --quiet --directory="$root" --boot --register=no --keep-unit --machine=bookbot-host \
  --resolv-conf=off --console=pipe </dev/null >"$folder/boot.log" 2>&1 &
nspawn=$!
for _ in $(seq 100); do
  inside systemctl is-system-running 2>/dev/null | grep -qE 'running|degraded' && break
  sleep 0.2
done

part "Install"
try 'cat /etc/debian_version'
try 'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv postgresql >/dev/null 2>&1; echo $?'
try 'useradd --system bookbot'
try 'python3 -m venv /opt/bookbot/0.1.0 && ln -sfn 0.1.0 /opt/bookbot/venv'
try '/opt/bookbot/0.1.0/bin/pip install --quiet -c constraints.txt . && bookbot-worker --version'

part "Database and settings"
try 'runuser -u postgres -- createuser bookbot && runuser -u postgres -- createdb --owner=bookbot bookbot'
try 'install -d -m 700 /etc/credstore && echo "postgresql://bookbot@/bookbot?host=/run/postgresql" > /etc/credstore/database-url'
try 'head -c 24 /dev/urandom | base64 > /etc/credstore/web-token'
try 'install -d /etc/bookbot && echo BOOKBOT_OFFLINE_WORDS_PER_SECOND=120 > /etc/bookbot/bookbot.env'

part "Start"
try 'install -m 644 deploy/systemd/* /etc/systemd/system/ && systemctl daemon-reload'
try 'systemctl start bookbot-migrate && journalctl --unit bookbot-migrate --output cat --lines 3'
try 'systemctl enable --now bookbot.target bookbot-worker@1 bookbot-worker@2 bookbot-web'
try 'systemctl status --no-pager --lines 3 bookbot-worker@1'
try 'systemd-analyze security --no-pager bookbot-worker@1 bookbot-web | grep Overall'
sleep 1
try 'python3 -c "from urllib.request import urlopen; print(urlopen(\"http://127.0.0.1:8000/api/health\").read().decode())"'
try 'runuser -u bookbot -- bookbot-worker workers | cut -f 1-3,5,7'

part "A book"
book=$(try 'runuser -u bookbot -- bookbot-worker books create --title "The Salt Ledger" --brief-file examples/brief.md --style-file examples/style.md' | id_in)
whole=$(try 'foundation=$(runuser -u bookbot -- bookbot-worker jobs enqueue create_foundation --book $book); runuser -u bookbot -- bookbot-worker jobs enqueue generate_book --book $book --depends-on $foundation' | id_in)
try 'runuser -u bookbot -- bookbot-worker jobs watch $whole --exit-status | tail -4; echo "exit code ${PIPESTATUS[0]}"'
try 'runuser -u bookbot -- bookbot-worker files list --book $book'

part "A later version, while two more books are written"
try 'cd /srv/bookbot-later && python3 -m venv /opt/bookbot/99.0.0 && /opt/bookbot/99.0.0/bin/pip install --quiet -c constraints.txt .'
book=$(try 'runuser -u bookbot -- bookbot-worker books create --title "The Second Ledger" --brief-file examples/brief.md --style-file examples/style.md' | id_in)
whole=$(try 'foundation=$(runuser -u bookbot -- bookbot-worker jobs enqueue create_foundation --book $book); runuser -u bookbot -- bookbot-worker jobs enqueue generate_book --book $book --depends-on $foundation' | id_in)
second=$whole
book=$(try 'runuser -u bookbot -- bookbot-worker books create --title "The Third Ledger" --brief-file examples/brief.md --style-file examples/style.md' | id_in)
whole=$(try 'foundation=$(runuser -u bookbot -- bookbot-worker jobs enqueue create_foundation --book $book); runuser -u bookbot -- bookbot-worker jobs enqueue generate_book --book $book --depends-on $foundation' | id_in)
third=$whole
sleep 4
try 'systemctl show --property=StatusText bookbot-worker@1 bookbot-worker@2'
try 'ln -sfn 99.0.0 /opt/bookbot/venv && systemctl start bookbot-migrate && journalctl --unit bookbot-migrate --output cat --lines 3'
try 'runuser -u bookbot -- bookbot-worker jobs list --state running --limit 5 | cut -f 1-4'
try 'for i in 1 2; do systemctl restart bookbot-worker@$i; done; systemctl restart bookbot-web'
try 'runuser -u bookbot -- bookbot-worker workers | cut -f 1-3,5,7'
whole=$second
try 'runuser -u bookbot -- bookbot-worker jobs watch $whole --exit-status | tail -1; echo "exit code ${PIPESTATUS[0]}"'
whole=$third
try 'runuser -u bookbot -- bookbot-worker jobs watch $whole --exit-status | tail -1; echo "exit code ${PIPESTATUS[0]}"'

part "Nothing was lost"
try 'runuser -u bookbot -- psql --quiet -c "SELECT job_type, state, count(*), max(attempt) AS attempt, max(losses) AS losses, max(interruptions) AS interruptions FROM jobs GROUP BY 1, 2 ORDER BY 1"'
try 'runuser -u bookbot -- psql --quiet -c "SELECT title, count(*) FILTER (WHERE type = '"'scene'"') AS scenes, sum(word_count) FILTER (WHERE type = '"'scene'"') AS words FROM books JOIN chunks USING (book_id) WHERE is_latest GROUP BY 1 ORDER BY 1"'
try 'journalctl --priority warning --unit "bookbot-*" --output cat --no-pager; echo "that was all"'
