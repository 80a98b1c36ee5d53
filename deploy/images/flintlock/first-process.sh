#!/bin/sh
# The first process of flintlock's container. Virtual machines are processes of their own and outlive a flintlock that crashes:
# here it is started again beside them, and takes them up. It also waits for processes that have lost their parents.
# One that ends as soon as it was started ends the container, so that Kubernetes tells of it and backs off.
stopping=
trap 'stopping=yes; kill -TERM "$flintlock" 2>/dev/null' TERM INT
while :; do
  began=$(date +%s)
  /usr/local/bin/node --max-semi-space-size=4 flintlock/main.ts &
  flintlock=$!
  wait "$flintlock"
  code=$?
  # A signal ends the waiting, not flintlock.
  while kill -0 "$flintlock" 2>/dev/null; do
    wait "$flintlock"
    code=$?
  done
  [ -z "$stopping" ] || exit "$code"
  [ $(($(date +%s) - began)) -ge 10 ] || exit "$code"
  echo "flintlock ended with exit code $code, it is started again" >&2
done
