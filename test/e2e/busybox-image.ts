// A small image that no other is like: busybox, and a release file of its maker's choice.
import { readFileSync } from 'node:fs';
import { type TarEntry, tarArchive } from '@tvm/images/testing/tar-archive.ts';

const applets = ['sh', 'cat', 'echo', 'id', 'ls', 'pwd', 'sleep', 'true', 'uname'];

/** One layer for linux/amd64. `bash` in it is busybox's shell. */
export function busyboxLayer(osRelease: string, passwd = ''): Buffer {
  const folders = ['bin', 'etc', 'tmp', 'root', 'proc', 'sys', 'dev', 'run'];
  return tarArchive([
    ...folders.map((name): TarEntry => ({ name: `${name}/`, type: '5' })),
    { name: 'bin/busybox', content: readFileSync('/bin/busybox'), mode: 0o755 },
    ...applets.map((name): TarEntry => ({ name: `bin/${name}`, type: '2', linkName: 'busybox' })),
    { name: 'bin/bash', content: '#!/bin/sh\nexec /bin/sh "$@"\n', mode: 0o755 },
    { name: 'etc/os-release', content: osRelease },
    { name: 'etc/passwd', content: `root:x:0:0::/root:/bin/sh\n${passwd}` },
  ]);
}
