// What /version says: the Kubernetes release whose API this server follows.
export const versionInfo = {
  major: '1',
  minor: '37',
  gitVersion: 'v1.37.2+tvm',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: 'node',
  platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
};
