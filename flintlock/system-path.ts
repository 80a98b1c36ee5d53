// Where the host's tools are looked for, whatever environment flintlock has.

export const systemFolders = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin', '/bin'];

/** Of every tool that flintlock runs. */
export const toolEnvironment = { PATH: systemFolders.join(':'), LC_ALL: 'C' };
