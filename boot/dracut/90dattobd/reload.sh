#!/bin/sh
# dracut sources this before the root filesystem is mounted; it sets root and fstype.
# shellcheck disable=SC2154
case $root in
	block:*) /sbin/datto-reload "$root" "$fstype" ;;
esac
