#!/bin/bash
# Makes the Debian package: `make deb`. Debian 12, no root needed; its Python is the one that the package will use.
#
# Debian's own versions of the libraries are too old, so the package carries an environment of its own, as dh-virtualenv
# would make it: what stands in locked.txt, with those very hashes, and smtpguard's wheel.
#
#     bash deploy/debian/build.sh WHEEL FOLDER     leaves FOLDER/smtpguard_VERSION_ARCHITECTURE.deb
set -euo pipefail
umask 022

wheel="$(realpath "$1")"
folder="$(realpath "$2")"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
deploy="$(dirname "$here")"
python="${PYTHON:-/usr/bin/python3}"
# All files are of this time: the same tree makes the same package. The wheel's files are of 2020-02-02 as well.
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-1580601600}"

root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
home=/usr/lib/smtpguard

"$python" -m venv --without-pip "$root$home"
# The package's environment has no pip, and Debian's Python has none by itself.
tools="$(mktemp -d)"
trap 'rm -rf "$root" "$tools"' EXIT
"$python" -m venv "$tools"
install() { "$tools/bin/python" -m pip --python "$root$home/bin/python" install --quiet --disable-pip-version-check --no-compile "$@"; }
install --require-hashes --only-binary :all: -r "$here/locked.txt"
install --no-deps --no-index "$wheel"

# Nothing may tell where it was built: scripts begin with the path of their interpreter, and pip notes where a wheel lay.
find "$root$home/bin" -type f -delete
find "$root$home" -name direct_url.json -delete -o -name INSTALLER -delete -o -name REQUESTED -delete
sed -i '/^command = /d; /^executable = /d' "$root$home/pyvenv.cfg"
# Compiled here, also what pip has imported meanwhile: where it runs nothing may be written. "Unchecked", because times
# mean nothing in a package.
"$python" -m compileall -q -f -j 2 --invalidation-mode unchecked-hash -s "$root" "$root$home/lib"
find "$root$home/lib" -name RECORD -exec sed -i '/\.\.\/bin\//d; /direct_url.json/d; /INSTALLER/d; /REQUESTED/d' {} +

command="$root/usr/bin/smtpguard"
mkdir -p "$(dirname "$command")"
# -I: neither the folder it is called in nor a variable can put other code in place of ours.
printf '#!%s/bin/python3 -I\nfrom smtpguard.cli import main\n\nmain()\n' "$home" > "$command"
chmod 755 "$command"
run() { "$root$home/bin/python3" -I -c 'from smtpguard.cli import main; main(prog_name="smtpguard")' "$@"; }
version="$(run --version | sed 's/.* //')"

for page in smtpguard.8 smtpguard.yaml.5 smtpguard-list.yaml.5; do
  manual="$root/usr/share/man/man${page##*.}"
  mkdir -p "$manual"
  run manual "$page" | gzip -9n > "$manual/$page.gz"
done
mkdir -p "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" \
  "$root/usr/share/fish/vendor_completions.d"
run completion bash > "$root/usr/share/bash-completion/completions/smtpguard"
run completion zsh > "$root/usr/share/zsh/vendor-completions/_smtpguard"
run completion fish > "$root/usr/share/fish/vendor_completions.d/smtpguard.fish"

if [ -d "$deploy/systemd" ]; then
  mkdir -p "$root/lib/systemd/system"
  find "$deploy/systemd" -maxdepth 1 \( -name '*.service' -o -name '*.socket' \) -exec cp -t "$root/lib/systemd/system" {} +
  mkdir -p "$root/usr/lib/sysusers.d"
  cp "$deploy/systemd/smtpguard.sysusers" "$root/usr/lib/sysusers.d/smtpguard.conf"
  cp "$deploy/systemd/smtpguard-as-service" "$root/usr/bin/"
fi
papers="$root/usr/share/doc/smtpguard"
mkdir -p "$papers" "$root/etc/smtpguard/lists"
# As they lie in the checkout, so that each link between them leads somewhere.
(cd "$deploy/.." && cp -r README.md ARCHITECTURE.md CHANGELOG.md CONTRIBUTING.md docs config "$papers/")
mkdir "$papers/deploy"
find "$deploy" -mindepth 1 -maxdepth 1 ! -name debian -exec cp -rt "$papers/deploy" {} +
gzip -9n < "$deploy/../CHANGELOG.md" > "$papers/changelog.gz"
{
  echo "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"
  echo "Upstream-Name: smtpguard"
  echo
  echo "Files: *"
  echo "License: Apache-2.0"
  echo " See /usr/share/common-licenses/Apache-2.0. The libraries below $home keep their own"
  echo " licences, each in its .dist-info folder there."
} > "$papers/copyright"

mkdir "$root/DEBIAN"
installed="$(du -sk --exclude=DEBIAN "$root" | cut -f1)"
sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$(dpkg --print-architecture)/; s/@SIZE@/$installed/" \
  -e "s/@PYTHON@/$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')/g" \
  -e "s/@AFTER@/$("$python" -c 'import sys; print("%d.%d" % (sys.version_info[0], sys.version_info[1] + 1))')/" \
  "$here/control" > "$root/DEBIAN/control"
for script in postinst prerm postrm; do
  command install -m 755 "$here/$script" "$root/DEBIAN/$script"
done
find "$root" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
deb="$folder/smtpguard_${version}_$(dpkg --print-architecture).deb"
# xz takes a minute; whoever only wants to try the package says COMPRESSION=none.
dpkg-deb --root-owner-group -Z"${COMPRESSION:-xz}" --build "$root" "$deb" > /dev/null
echo "$deb"
