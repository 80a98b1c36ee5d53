// The programs of the node itself: containerd, kubelet, kube-proxy, each with its configuration.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Program, untilReady } from '../child.ts';
import { readyTimeoutMs } from '../control-plane.ts';
import { cniConfig, containerdConfig, kubeletConfig, nodePaths, pauseImage, proxyConfig } from './configuration.ts';
import type { Ground } from './ground.ts';
import { packPauseImage } from './pause-image.ts';

export const nodeName = 'node-1';

/** Imports an image archive (docker or OCI) for pods that name the image. */
export async function loadImage({ onNode }: Ground, archive: string): Promise<void> {
  await onNode('ctr', '--address', nodePaths.containerdSocket, '-n', 'k8s.io', 'images', 'import', archive);
}

/** Returns once containerd answers and has the image that every pod needs. */
export async function startContainerd(ground: Ground): Promise<void> {
  const { bin, folder, addresses } = ground;
  const cni = join(folder, 'cni');
  await mkdir(cni);
  await writeFile(join(cni, '10-pods.conflist'), cniConfig(addresses));
  await writeFile(join(folder, 'containerd.toml'), containerdConfig(cni));
  const containerd = ground.launchOnNode('containerd', 'containerd', ['--config', join(folder, 'containerd.toml')]);
  const answers = () => succeeds(() => ground.onNode('ctr', '--address', nodePaths.containerdSocket, 'version'));
  await untilReady(containerd, answers, readyTimeoutMs);
  await loadImage(ground, await packPauseImage(join(bin, 'pause'), pauseImage, join(folder, 'pause')));
}

export interface KubeletFiles {
  /** Paths. */
  kubeconfig: string;
  /** The certificate that the API server shows. */
  clientCa: string;
}

export async function startKubelet(ground: Ground, { kubeconfig, clientCa }: KubeletFiles): Promise<Program> {
  const { bin, folder, cgroup, addresses } = ground;
  const config = join(folder, 'kubelet.yaml');
  await writeFile(config, kubeletConfig({ cgroup, clientCa }));
  return ground.launchOnNode('kubelet', join(bin, 'kubelet'), [
    `--config=${config}`,
    `--kubeconfig=${kubeconfig}`,
    `--root-dir=${nodePaths.kubelet}`,
    `--cert-dir=${nodePaths.kubelet}/pki`,
    `--hostname-override=${nodeName}`,
    `--node-ip=${addresses.nodeAddress}`,
    '--v=2',
  ]);
}

export async function startProxy({ folder, addresses, launch }: Ground, kubeconfig: string): Promise<void> {
  const config = join(folder, 'kube-proxy.yaml');
  await writeFile(config, proxyConfig(kubeconfig, nodeName, addresses));
  launch('kube-proxy', [`--config=${config}`]);
}

/** Whether a command succeeds; it is asked again until a deadline, so its words do not matter. */
export function succeeds(command: () => Promise<string>): Promise<boolean> {
  return command().then(
    () => true,
    () => false,
  );
}
