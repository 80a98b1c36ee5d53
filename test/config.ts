// What the tests read from the environment, with defaults.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pathsFrom } from '@tvm/kit/paths.ts';

export const targetNames = ['embedded', 'real'] as const;
export type TargetName = (typeof targetNames)[number];

/** What a test needs to know to use a server. */
export interface RunningServer {
  kubeconfig: string;
  /** Of the real server: its etcd, so that a test can make it forget history. */
  etcdUrl?: string;
}

export interface TestConfig {
  /** The checkout. */
  root: string;
  /** Where the Kubernetes programs are kept between runs. */
  cacheFolder: string;
  /** A folder with etcd, kube-apiserver, kube-controller-manager and kubectl (TVM_KUBERNETES_BIN). */
  kubernetesBin: string | undefined;
  /** A tar archive that holds them as bin/… (TVM_KUBERNETES_ARCHIVE). */
  kubernetesArchive: string | undefined;
  /** Where such an archive may lie beside the checkout; used when it is there. */
  neighbourArchive: string;
  /** A kubectl to take for Debian's own (TVM_DEBIAN_KUBECTL). */
  debianKubectl: string | undefined;
  /** A Firecracker to test its driver with (FIRECRACKER_BIN). */
  firecracker: string | undefined;
  /** The jailer of the same release (JAILER_BIN; by default beside it). */
  jailer: string | undefined;
  /** A description of Firecracker's API to check requests against (FIRECRACKER_OPENAPI). */
  firecrackerApi: string | undefined;
  /** A built guest kernel (TVM_KERNEL). */
  guestKernel: string | undefined;
  /** Where the scores of the MCP conformance suite are kept until the end of the run (TVM_MCP_SCORES). */
  mcpScores: string | undefined;
  /** What the API suite runs against (TVM_API_TARGET=embedded|real, both when unset). */
  targets: readonly TargetName[];
  /** Servers that the test run has started already, see cluster/global-setup.ts. */
  running: Partial<Record<TargetName, RunningServer>>;
}

const root = fileURLToPath(new URL('..', import.meta.url));

/** Throws when a variable has a value that means nothing. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): TestConfig {
  const wanted = env.TVM_API_TARGET;
  const targets = targetNames.filter((name) => !wanted || name === wanted);
  if (targets.length === 0) throw new Error(`TVM_API_TARGET=${wanted}: want ${targetNames.join(' or ')}`);
  return {
    root,
    cacheFolder: pathsFrom(env).cache,
    kubernetesBin: env.TVM_KUBERNETES_BIN || undefined,
    kubernetesArchive: env.TVM_KUBERNETES_ARCHIVE || undefined,
    neighbourArchive: join(root, '../shared/kubernetes/k8sbox.tar.xz'),
    debianKubectl: env.TVM_DEBIAN_KUBECTL || undefined,
    firecracker: env.FIRECRACKER_BIN || undefined,
    jailer: env.JAILER_BIN || (env.FIRECRACKER_BIN && join(dirname(env.FIRECRACKER_BIN), 'jailer')),
    firecrackerApi: env.FIRECRACKER_OPENAPI || undefined,
    guestKernel: env.TVM_KERNEL || undefined,
    mcpScores: env.TVM_MCP_SCORES || undefined,
    targets,
    running: {
      ...(env.TVM_TEST_EMBEDDED && { embedded: JSON.parse(env.TVM_TEST_EMBEDDED) }),
      ...(env.TVM_TEST_REAL && { real: JSON.parse(env.TVM_TEST_REAL) }),
    },
  };
}

/** Lets the test processes started after this one find a running server. */
export function publishServer(name: TargetName, server: RunningServer): void {
  process.env[name === 'real' ? 'TVM_TEST_REAL' : 'TVM_TEST_EMBEDDED'] = JSON.stringify(server);
}

/** The environment of this process with more variables, for a program that it starts. */
export function environmentWith(variables: Record<string, string>): NodeJS.ProcessEnv {
  return { ...process.env, ...variables };
}
