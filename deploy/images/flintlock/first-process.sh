#!/bin/sh
# The first process of flintlock's container. Virtual machines are processes of their own and outlive a flintlock that crashes:
# here it is started again beside them, and takes them up. It also waits for processes that have lost their parents.
# One that ends as soon as it was started ends the container, so that Kubernetes tells of it and backs off.
# Before that it makes writable what a runtime mounts read-only and flintlock changes: the settings of networks, and the control
# groups of this container. Where it has no right to, flintlock says what machines miss for it.
mount --bind /proc/sys/net /proc/sys/net 2>/dev/null
for folder in /proc/sys/net /sys/fs/cgroup /sys/fs/cgroup/cpu /sys/fs/cgroup/memory /sys/fs/cgroup/pids; do
  mount -o remount,bind,rw "$folder" 2>/dev/null
done
# Who is given no devices may be allowed this one, and to make it.
[ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod -m 0666 /dev/net/tun c 10 200; } 2>/dev/null
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
