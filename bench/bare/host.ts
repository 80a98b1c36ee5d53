// What bare machines and the product's are made of, and what executes them: found out once, the same for both.
import { join } from 'node:path';
import { qemuVersion, tscKhz } from '@tvm/flintlock/vmm/qemu/host.ts';
import { knownAcceleration, probeKvm } from '@tvm/flintlock/vmm/qemu/probe.ts';
import { makeImageStore } from '@tvm/images/store.ts';
import type { Logger } from '@tvm/kit/log.ts';
import type { BareHost } from './vmm.ts';

export interface HostDeps {
  cacheDir: string;
  kernel: string | undefined;
  accelerator: 'auto' | 'kvm' | 'tcg';
  /** For what the probe remembers. */
  folder: string;
  log: Logger;
  say: (message: string) => void;
}

export interface BenchHost extends BareHost {
  qemu: string;
}

export async function findHost({ cacheDir, kernel, accelerator, folder, log, say }: HostDeps): Promise<BenchHost> {
  const images = makeImageStore({ cacheDir, log, kernel });
  const boot = await images.bootFiles(say);
  const root = await images.ensure('tvm/python', say);
  const qemu = await qemuVersion();
  const deps = { wanted: accelerator, qemuVersion: qemu, cachePath: join(folder, 'accelerator.json'), log };
  const found = (await knownAcceleration(deps)) ?? (await probeKvm(deps, boot));
  const usable = found.accelerator === 'kvm' ? 'kvm' : 'tcg';
  return { boot, rootPath: root.path, accelerator: usable, tscKhz: await tscKhz(), qemu };
}
