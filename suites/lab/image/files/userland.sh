#!/bin/sh
# userland.sh MIRROR SUITE COMPONENTS KEYRING PACKAGES OUT: makes a small Debian and
# writes it to OUT/userland.tar, and its static busybox to OUT/busybox.
#
# It runs in mount and process namespaces of its own. The tree lies in a tmpfs that
# only they see, so that whatever ends this script, nothing of it is left: no
# folder, no mount, no process.
set -eu
mirror=$1 suite=$2 components=$3 keyring=$4 packages=$5 out=$6
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
unset TMPDIR

# The tmpfs hides OUT's own content; the results go through a descriptor to it.
exec 3>"$out/userland.tar" 4>"$out/busybox"
mount -t tmpfs -o mode=755 userland "$out"
root=$out/root

set -- --foreign --variant=minbase --force-check-gpg "--components=$components" "--include=$packages"
if [ -n "$keyring" ]; then
	set -- "$@" "--keyring=$keyring"
fi
debootstrap "$@" "$suite" "$root" "$mirror"

# Before any package is set up: no service starts, no database is made, and what
# nobody reads in a container is not unpacked.
mkdir -p "$root/usr/sbin" "$root/etc/dpkg/dpkg.cfg.d" "$root/etc/postgresql-common"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
echo 'create_main_cluster = false' >"$root/etc/postgresql-common/createcluster.conf"
for path in /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale; do
	echo "path-exclude=$path/*"
done >"$root/etc/dpkg/dpkg.cfg.d/gameday"
if ! chroot "$root" /debootstrap/debootstrap --second-stage; then
	tail -n 20 "$root/debootstrap/debootstrap.log" >&2
	exit 1
fi

# Chaos Mesh's daemon speaks the iptables of old, as kube-proxy does here.
for table in iptables ip6tables; do
	chroot "$root" update-alternatives --set "$table" "/usr/sbin/$table-legacy"
done
# One path for the database's programs, whichever version the release has.
ln -s "$(cd "$root" && echo /usr/lib/postgresql/*)" "$root/usr/local/pgsql"

# PostgreSQL's compiler of queries and Mesa's drivers bring a hundred megabytes
# each; nothing here compiles a query or draws.
cd "$root"
rm -rf debootstrap usr/sbin/policy-rc.d etc/dpkg/dpkg.cfg.d/gameday \
	usr/lib/*/libLLVM* usr/lib/*/libz3.so* usr/lib/*/dri usr/lib/postgresql/*/lib/llvmjit* usr/lib/postgresql/*/lib/bitcode \
	usr/share/doc usr/share/man usr/share/info usr/share/locale usr/share/lintian usr/share/postgresql/*/man \
	usr/share/perl usr/lib/*/perl usr/share/i18n usr/lib/locale/locale-archive \
	etc/ssl/private/* etc/ssl/certs/ssl-cert-snakeoil.pem etc/machine-id \
	var/lib/apt/lists/* var/cache/* var/log/* var/tmp/* tmp/* run/*
: >etc/hostname
: >etc/resolv.conf
chroot . install -d -o postgres -g postgres -m 2775 /run/postgresql

# What the container's runtime mounts is left out, here by name: these could be
# mounts of this machine's own.
tar --sort=name --mtime=@0 --numeric-owner --one-file-system \
	--exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -cf - . >&3
cat bin/busybox >&4
