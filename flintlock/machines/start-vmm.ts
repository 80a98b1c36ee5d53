// Gets a machine's VMM going: what it starts from, and what it is. Invariant: a template that is bad costs time, never the machine.
import { TvmError } from '@tvm/api/errors.ts';
import type { Driver, VmSpec } from '../vmm/driver.ts';
import type { ExecutorDeps } from './executor.ts';
import type { Machine, RunFiles } from './machine.ts';
import { connectNetwork } from './network.ts';
import type { MachineRecord } from './record.ts';

export async function findFiles(deps: ExecutorDeps, machine: Machine, signal: AbortSignal): Promise<RunFiles> {
  const { images, snapshots, templates, driver } = deps;
  const { spec } = machine.record;
  const say = (message: string) => machine.progress(message);
  // Machines from a template are let to the image each; one from a snapshot continues one that was.
  const access = { credentials: machine.registryCredentials, granted: spec.template || spec.snapshot !== '' };
  const image = await images.ensure(spec.image, say, signal, access);
  machine.registryCredentials = [];
  const boot = await images.bootFiles(say, signal);
  await driver.probe(boot);
  // No template has disks.
  const template = spec.snapshot || spec.template || spec.disks ? undefined : await templates.open(spec, image, boot);
  // What is on its disks is newer than the snapshot once it has run.
  const continues = spec.snapshot !== '' && !deps.disks.areUsed(machine.record);
  const snapshotFolder = continues ? await snapshots.open(spec.snapshot, image.digest) : template?.folder;
  await deps.disks.prepare(machine.record, continues ? snapshotFolder : undefined);
  machine.change({ imageDigest: image.digest });
  return { image, boot, snapshotFolder, template: template?.key };
}

export async function startVmm(deps: ExecutorDeps, machine: Machine): Promise<void> {
  const { driver } = deps;
  const { run, vm, record } = machine;
  if (!run.files) throw new TvmError('internal', `no files to start ${record.uid} from`);
  machine.progress('starting the VMM');
  const spec = { ...vmSpecOf(deps, record, run.files), ...(await connectNetwork(deps, machine)) };
  deps.disks.markUsed(record);
  run.vmmStartedAt = performance.now();
  if (!run.files.snapshotFolder) await driver.start(vm, spec);
  else if (!run.files.template) await driver.restore(vm, spec, run.files.snapshotFolder);
  else await restoreOrBoot(deps, machine, spec, { key: run.files.template, folder: run.files.snapshotFolder });
  run.startedForRun = true;
  if (run.files.snapshotFolder) machine.change({ restored: true });
  watchVmm(driver, machine);
}

/** A template that cannot be loaded is only a loss of time. */
async function restoreOrBoot(
  deps: ExecutorDeps,
  machine: Machine,
  spec: VmSpec,
  { key, folder }: { key: string; folder: string },
) {
  const { driver, templates } = deps;
  const { run, vm } = machine;
  if (!run.files) return;
  try {
    await driver.restore(vm, spec, folder);
  } catch (err) {
    machine.log.warn({ err, template: key }, 'a template cannot be loaded; it is made anew');
    await driver.destroy(vm);
    await templates.discard(key);
    run.files = { ...run.files, template: undefined, snapshotFolder: undefined };
    run.vmmStartedAt = performance.now();
    await driver.start(vm, spec);
  }
}

/** But for its network, which is made anew each time. */
export function vmSpecOf(
  { disks }: ExecutorDeps,
  record: MachineRecord,
  files: Pick<RunFiles, 'image' | 'boot'>,
): VmSpec {
  const { cpus, memoryMiB, limits } = record.spec;
  const attached = record.spec.disks && { disks: disks.attachments(record) };
  return { cpus, memoryMiB, rootDiskPath: files.image.path, boot: files.boot, ...attached, ...(limits && { limits }) };
}

/** Of a machine that another flintlock started. */
export async function sameFiles({ images }: ExecutorDeps, { record }: Machine, signal: AbortSignal) {
  const image = await images.ensure(record.spec.image, () => {}, signal, { granted: true });
  if (image.digest === record.imageDigest) return { image, boot: await images.bootFiles(() => {}, signal) };
  throw new TvmError('failed_precondition', `image ${record.spec.image} is not the one any more that it started from`);
}

/** Keeps the console's output and notices the end of the VMM, for as long as the run goes on. */
export function watchVmm(driver: Driver, machine: Machine): void {
  const { run } = machine;
  driver
    .watch(machine.vm, (data) => machine.output.append(data), run.over.signal)
    .then(
      (end) => {
        if (!end || run !== machine.run) return;
        run.end = end;
        machine.interrupt('the VMM ended');
        machine.wake();
      },
      (err) => machine.log.error({ err }, 'watching the VMM failed'),
    );
}
