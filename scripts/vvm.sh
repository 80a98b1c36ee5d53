#!/usr/bin/env bash
# vvm from a checkout: sets up what is missing, then runs the command. Works by a link and from any folder.
root=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
case ${1:-help} in
  # These start no machine, and tell what is missing themselves.
  help | --help | -h | version | --version | -V | doctor | status | down | completion) what=--npm ;;
  *) what= ;;
esac
"$root/scripts/setup.sh" ${what:+"$what"} >&2 || exit 125
exec "$root/node_modules/.bin/node" "$root/cli/main.ts" "$@"
