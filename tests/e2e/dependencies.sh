#!/bin/bash
# What the end-to-end tests need beside Python: run by `make e2e-deps`. Debian 12, as root. Quick the second time.
#
# Installs Postfix, Dovecot, PostgreSQL, nginx, Caddy, nftables, Prometheus, a browser and mail programs from Debian without
# starting any of them, and Mailman 3 from the package index into a folder of its own. The tests start their own copies,
# with configuration and state in a temporary folder.
set -euo pipefail
umask 022  # Mailman's user must be able to read what is installed here

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
# Below /var/lib: Mailman runs as another user, who may not be able to enter the folder above this checkout.
venv="${SMTPGUARD_E2E_VENV:-/var/lib/smtpguard-e2e/mailman}"
pins="$here/mailman.txt"
# libnet-ssleay-perl is what swaks needs for TLS, and only recommends. strace sees that a hold is on the disk before its 250.
# groff, zsh and fish read the manual pages and the completion. libfaketime lets a guard run an hour later. promtool, which
# tries the alert rules, comes with prometheus. systemd-container starts a systemd of its own, for deploy/systemd.
packages=(postfix dovecot-core dovecot-imapd dovecot-lmtpd swaks libnet-ssleay-perl msmtp mutt s-nail curl strace
  libfaketime groff-base zsh fish postgresql nginx caddy nftables openssl prometheus systemd systemd-container chromium
  chromium-driver fonts-dejavu-core python3 python3-venv)

say() { echo "e2e-deps: $*"; }
fail() { echo "e2e-deps: $*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "must run as root (it installs Debian packages)"
[ -e /etc/debian_version ] || fail "knows Debian only; on other systems install the packages named above by hand"

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

absent=()
for package in "${packages[@]}"; do
  installed "$package" || absent+=("$package")
done

if [ ${#absent[@]} -gt 0 ]; then
  say "installing ${absent[*]}"
  export DEBIAN_FRONTEND=noninteractive

  # Debian starts a server as soon as it is installed, unless this file says no. An existing one is left as it is.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  case " ${absent[*]} " in
    *" postfix "*) echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections ;;
  esac

  apt-get update -q
  # --no-remove: Postfix would push out another mail server. That is for a person to decide.
  apt-get install -y -q --no-install-recommends --no-remove "${absent[@]}" ||
    fail "apt-get could not install ${absent[*]} (another mail server installed? then this machine is not for it)"

  if [ -d /run/systemd/system ]; then
    for service in postfix dovecot postgresql nginx caddy nftables prometheus; do
      case " ${absent[*]} " in
        *" $service"*) systemctl disable -q "$service" || true ;;  # not at the next start of the machine either
      esac
    done
  fi
fi

stamp="$venv/installed.txt"
if ! cmp -s "$pins" "$stamp"; then
  say "installing Mailman 3 into $venv"
  rm -rf "$venv"
  mkdir -p "$(dirname "$venv")"
  # The system's Python by its full name: one below somebody's home could not be read by Mailman's user.
  /usr/bin/python3 -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check wheel
  "$venv/bin/pip" install -q --disable-pip-version-check --no-build-isolation -r "$pins"
  cp "$pins" "$stamp"
fi

say "all there"
