// Runs skopeo. Invariants: what it is told of a secret is in no argument and in no file with a name; TLS is asked of every
// registry but those that the settings call insecure.
import { randomBytes } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TvmError } from '@tvm/api/errors.ts';
import { keyOf } from '../digest.ts';
import type { OciReference } from '../reference.ts';
import { type CommandResult, runCommand } from '../run-command.ts';
import { requireTool } from '../tools.ts';
import { openSecret } from './auth-file.ts';
import { authFileText, type Credential } from './credentials.ts';
import { pullError } from './pull-error.ts';
import { isInsecure, type RegistrySettings, registriesConf } from './registry-settings.ts';

export interface SkopeoCall {
  command: 'inspect' | 'copy';
  args: string[];
  timeoutMs: number;
  signal: AbortSignal;
  /** Undefined: what this host is logged in with, if it is. */
  credential: Credential | undefined;
  /** No file that it writes may be larger. */
  maxFileBytes?: number;
  onLine?: (line: string) => void;
}

export type Skopeo = (reference: OciReference, call: SkopeoCall) => Promise<CommandResult>;

const authDescriptor = 3;

/** `confPath`: where a registries.conf may be kept, by its content. Failures are errors in the registry's words. */
export function makeSkopeo(settings: RegistrySettings, confPath: (key: string) => string): Skopeo {
  const conf = registriesConf(settings);
  let written: Promise<string[]> | undefined;
  const confArgs = () => {
    written ??= conf === undefined ? Promise.resolve([]) : writeConf(conf, confPath(keyOf(conf)));
    return written;
  };
  return async (reference, call) => {
    const { command, args, credential, maxFileBytes, timeoutMs, signal, onLine } = call;
    await using secret = credential && (await openSecret(authFileText(reference.registry, credential)));
    const insecure = isInsecure(settings, reference.registry);
    const skopeo = [requireTool('skopeo'), '--insecure-policy', ...(await confArgs()), command];
    const auth = secret ? ['--authfile', `/proc/self/fd/${authDescriptor}`] : [];
    const tls = insecure ? [command === 'copy' ? '--src-tls-verify=false' : '--tls-verify=false'] : [];
    const limits = maxFileBytes === undefined ? [] : [`--fsize=${maxFileBytes}`];
    const result = await runCommand({
      program: 'prlimit',
      args: ['--core=0', ...limits, ...skopeo, ...auth, ...tls, ...args],
      ...{ timeoutMs, signal },
      ...(onLine && { onLine }),
      ...(secret && { passed: secret.fd }),
    }).catch(unavailableWhenLate(reference));
    if (result.exitCode !== 0) throw pullError(reference.normalised, result.stderr);
    return result;
  };
}

async function writeConf(text: string, path: string): Promise<string[]> {
  await mkdir(dirname(path), { recursive: true });
  const fresh = `${path}.${randomBytes(6).toString('hex')}`;
  await writeFile(fresh, text);
  await rename(fresh, path);
  return ['--registries-conf', path];
}

function unavailableWhenLate({ normalised }: OciReference) {
  return (error: unknown): CommandResult => {
    if (!(error instanceof TvmError) || error.code !== 'deadline_exceeded') throw error;
    throw pullError(normalised, 'the registry did not answer in time', error);
  };
}
