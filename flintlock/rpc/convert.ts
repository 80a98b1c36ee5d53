// Machines and snapshots between their records and the wire.
import { create } from '@bufbuild/protobuf';
import { TvmError } from '@tvm/api/errors.ts';
import {
  type Disk,
  type Limits as LimitsMessage,
  type Machine,
  MachineSchema,
  type MachineSpec as MachineSpecMessage,
  MachineSpecSchema,
  MachineState,
  type NetworkPolicy as NetworkPolicyMessage,
  type Snapshot,
  SnapshotSchema,
} from '@tvm/api/gen/tvm/flintlock/v1/flintlock_pb.js';
import type { Usage } from '@tvm/api/gen/tvm/guest/v1/guest_pb.js';
import { limitsIn, limitsMessage } from '@tvm/api/rpc-limits.ts';
import type { DiskSpec } from '../disks/disk.ts';
import { type MachineLimits, type MachineRecord, type MachineSpec, machineLimits } from '../machines/record.ts';
import type { NetworkPolicy } from '../network/policy.ts';
import type { SnapshotManifest } from '../snapshots/snapshot-store.ts';
import type { VmUsage } from '../vmm/driver.ts';

const stateOf: Record<MachineRecord['state'], MachineState> = {
  creating: MachineState.CREATING,
  running: MachineState.RUNNING,
  paused: MachineState.PAUSED,
  stopped: MachineState.STOPPED,
  failed: MachineState.FAILED,
  destroying: MachineState.DESTROYING,
};

export function machineMessage(record: MachineRecord): Machine {
  const { uid, labels, reason, message, errorCode, bootMs, bootId, imageDigest, exitCode } = record;
  const { used, restored, openCalls, suspended, address } = record;
  return create(MachineSchema, {
    ...{ uid, labels, reason, message, errorCode, bootMs, bootId, imageDigest, used, restored, openCalls, suspended },
    address,
    generation: BigInt(record.generation),
    spec: specMessage(record.spec),
    state: stateOf[record.state],
    createdAtMs: BigInt(record.createdAtMs),
    startedAtMs: BigInt(record.startedAtMs),
    lastActiveAtMs: BigInt(record.lastActiveAtMs),
    revision: BigInt(record.revision),
    ...(exitCode === null ? {} : { exitCode }),
  });
}

export function specOf(message: MachineSpecMessage | undefined): MachineSpec {
  const { image, cpus, memoryMib, command, args, runEntrypoint, hostname, snapshot, interpreter, standby } =
    message ?? create(MachineSpecSchema);
  const said = { command, args, ...(runEntrypoint && { runEntrypoint }) };
  const rest = { ...said, hostname, snapshot, interpreter, standby, template: false };
  const disks = message && message.disks.length > 0 ? { disks: message.disks.map(diskOf) } : {};
  const network = message?.network ? { network: networkOf(message.network) } : {};
  const limits = message?.limits ? { limits: limitsOf(message.limits) } : {};
  return { image, cpus, memoryMiB: memoryMib, ...rest, ...disks, ...network, ...limits };
}

/** Throws `invalid_argument` for what no machine can have. */
function limitsOf(message: LimitsMessage): MachineLimits {
  const limits = machineLimits.safeParse(limitsIn(message));
  if (limits.success) return limits.data;
  const [issue] = limits.error.issues;
  throw new TvmError('invalid_argument', `limits.${issue?.path.join('.')}: ${issue?.message}`);
}

export function diskOf({ name, sizeMib, mountPath, retainedAs }: Disk): DiskSpec {
  return { name, sizeMiB: sizeMib, mountPath, retainedAs };
}

/** What is no policy is found by its check. */
function networkOf({ egress, allow }: NetworkPolicyMessage): NetworkPolicy {
  const rules = allow.map(({ cidr, domain, ports }) => ({ ...(cidr && { cidr }), ...(domain && { domain }), ports }));
  return { egress: egress as NetworkPolicy['egress'], allow: rules };
}

function policyMessage({ egress, allow }: NetworkPolicy) {
  return { egress, allow: allow.map(({ cidr = '', domain = '', ports }) => ({ cidr, domain, ports })) };
}

function specMessage({
  memoryMiB,
  template: _,
  disks = [],
  network,
  limits,
  runEntrypoint = false,
  ...rest
}: MachineSpec): MachineSpecMessage {
  const attached = disks.map(({ sizeMiB, ...disk }) => ({ ...disk, sizeMib: sizeMiB }));
  return create(MachineSpecSchema, {
    ...rest,
    runEntrypoint,
    memoryMib: memoryMiB,
    disks: attached,
    ...(network && { network: policyMessage(network) }),
    ...limitsMessage(limits),
  });
}

/** What a machine uses: as its guest sees it, and as its VMM does. */
export function usageMessage(guest: Usage, { residentBytes, cpuTimeMs, disk, network }: VmUsage) {
  return {
    guest,
    vmmResidentBytes: BigInt(residentBytes),
    vmmCpuTimeMs: BigInt(cpuTimeMs),
    ...(disk && {
      diskTraffic: {
        readBytes: BigInt(disk.readBytes),
        writtenBytes: BigInt(disk.writtenBytes),
        reads: BigInt(disk.reads),
        writes: BigInt(disk.writes),
      },
    }),
    ...(network && {
      networkTraffic: { receivedBytes: BigInt(network.receivedBytes), sentBytes: BigInt(network.sentBytes) },
    }),
  };
}

/** `diskBytes`: of the copies of disks. */
export function snapshotMessage(manifest: SnapshotManifest, diskBytes: number): Snapshot {
  return create(SnapshotSchema, {
    name: manifest.name,
    machineUid: manifest.machineUid,
    spec: specMessage(manifest.spec),
    generation: manifest.generation,
    labels: manifest.labels,
    sizeBytes: BigInt(manifest.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, diskBytes)),
    createdAtMs: BigInt(manifest.createdAtMs),
  });
}
