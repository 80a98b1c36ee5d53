// Builds the Kubernetes programs from Go modules: versions pinned by programs/go.mod, contents by programs/go.sum.
// programs/go.mod is that of the module k8s.io/kubernetes with another name and each replacement by a staging folder turned
// into the published module (v0.MINOR.PATCH); `go list -mod=mod -deps . ./pause` there completes go.sum after a change of version.
import { cp, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { environmentWith } from '../config.ts';
import { obtainGo } from './go-toolchain.ts';
import { outputOf } from './run-command.ts';

export const kubernetesVersion = '1.37.2';
export const programs = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-proxy',
  'kube-scheduler',
  'kubectl',
  'kubelet',
  'kwok',
  'pause',
] as const;

const source = join(import.meta.dirname, 'programs');
/** All programs but the one that runs in every pod are links to this one. */
const binary = 'kubernetes';
const standalone = 'pause';

/** Fills `folder`/bin with the programs: 3 to 10 minutes when the Go caches are empty. */
export async function buildKubernetes(folder: string, say: (line: string) => void): Promise<void> {
  const work = join(folder, 'src');
  const bin = join(folder, 'bin');
  await Promise.all([mkdir(work, { recursive: true }), mkdir(bin, { recursive: true })]);
  await cp(source, work, { recursive: true });
  const toolchain = join(folder, 'go');
  await mkdir(toolchain, { recursive: true });
  const go = await obtainGo(toolchain, say);
  say(`building Kubernetes ${kubernetesVersion} from Go modules (10 to 15 minutes of processor time)`);
  const options = { cwd: work, env: buildEnvironment(), onProgress: progress(say) };
  await outputOf(go, ['build', '-v', '-ldflags', linkerFlags(), '-o', join(bin, binary), '.'], options);
  await outputOf(go, ['build', '-ldflags', '-s -w', '-o', join(bin, standalone), `./${standalone}`], options);
  for (const name of programs) if (name !== standalone) await symlink(binary, join(bin, name));
}

function linkerFlags(): string {
  const [major, minor] = kubernetesVersion.split('.');
  const versions = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((path) => [
    `-X ${path}.gitVersion=v${kubernetesVersion}`,
    `-X ${path}.gitMajor=${major}`,
    `-X ${path}.gitMinor=${minor}`,
  ]);
  return ['-s -w', ...versions].join(' ');
}

function buildEnvironment(): NodeJS.ProcessEnv {
  return environmentWith({
    CGO_ENABLED: '0',
    GO111MODULE: 'on',
    GOWORK: 'off',
    GOFLAGS: '-mod=readonly -buildvcs=false -trimpath',
    GOTOOLCHAIN: 'auto',
  });
}

/** One line of progress for every hundred packages that the compiler or the downloader names. */
function progress(say: (line: string) => void): (line: string) => void {
  let packages = 0;
  return () => {
    packages += 1;
    if (packages % 100 === 0) say(`building Kubernetes: ${packages} modules and packages done`);
  };
}
