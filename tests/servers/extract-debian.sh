#!/usr/bin/env bash
# Unpacks packages of any Debian release, with all they depend on, into a folder.
#   extract-debian.sh SUITE FOLDER PACKAGE...
# A private apt downloads and tar unpacks: nothing is installed on the host; needs neither root nor a chroot.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

[ $# -ge 3 ] || die "usage: extract-debian.sh SUITE FOLDER PACKAGE..."
suite=$1 folder=$2
shift 2
command -v apt-get >/dev/null || die "apt-get is missing: these packages can only be fetched on Debian or a system made from it"

# The Debian archive this host is configured with; other releases are read from the same place.
debian_archive() {
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' 2>/dev/null | sed -n 1p
}

archive=$(debian_archive)
if [ -z "$archive" ] && is_root; then
  apt-get -o DPkg::Lock::Timeout=300 update || :
  archive=$(debian_archive)
fi
[ -n "$archive" ] || die "apt knows no Debian archive: run 'apt-get update' as root, then try again"

apt_home=$folder.apt
rm -rf "$folder" "$apt_home"
mkdir -p "$folder" "$apt_home"/{lists,archives}/partial
trap 'rm -rf "$apt_home"' EXIT

# Every release gets the merged layout, so that all libraries are in one folder, whatever the packages say.
for name in bin sbin lib lib64; do
  mkdir -p "$folder/usr/$name"
  ln -s "usr/$name" "$folder/$name"
done

# A frozen mirror's Release can be past its date; its signature is still checked.
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg check-valid-until=no] $archive $suite main" >"$apt_home/sources.list"
: >"$apt_home/status" # an empty one: apt then fetches every dependency, down to the C library
cat >"$apt_home/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt_home/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$apt_home";
Dir::State::lists "$apt_home/lists";
Dir::State::status "$apt_home/status";
Dir::Cache "$apt_home";
Dir::Cache::archives "$apt_home/archives";
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "3";
Debug::NoLocking "true";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Post-Invoke;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::DEP-11-icons-small;
#clear Acquire::IndexTargets::deb::DEP-11-icons;
#clear Acquire::IndexTargets::deb::DEP-11-icons-hidpi;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large-hidpi;
CONF
apt-get -c "$apt_home/apt.conf" update
apt-get -c "$apt_home/apt.conf" --yes --download-only install "$@"

for package in "$apt_home"/archives/*.deb; do
  dpkg-deb --fsys-tarfile "$package" | tar -C "$folder" -x --no-same-owner --keep-directory-symlink --exclude='./usr/share/doc/*' \
    --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*'
done
# A cache folder is no place for programs that raise privileges (su, mount and the like come with the dependencies).
find "$folder" -type f -perm /6000 -exec chmod ug-s {} +
