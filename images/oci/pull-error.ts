// What skopeo says when a pull fails, as a TvmError with the registry's own words.
import { type ErrorCode, TvmError } from '@tvm/api/errors.ts';

// The first that matches counts. Registries word these differently; Docker Hub answers "denied" for what does not exist, too.
const codes: [pattern: RegExp, code: ErrorCode][] = [
  [/manifest unknown|name unknown|not found|StatusCode: 404/i, 'not_found'],
  [/unauthorized|denied|authentication required|forbidden/i, 'permission_denied'],
  [/toomanyrequests|too many requests|rate limit|file too large|no space left/i, 'resource_exhausted'],
  [/did not match|does not match|verification failed|unexpected EOF|invalid checksum|corrupt/i, 'data_loss'],
];
const hints: Partial<Record<ErrorCode, string>> = {
  not_found: 'Check the name and the tag.',
  permission_denied:
    'Check the name; a private image needs credentials: name a Secret in imagePullSecrets, or vvm image pull --authfile.',
  unavailable: 'Check that the registry can be reached from this host.',
};

const plainHint = 'It has no TLS: to use it all the same, name it in TVM_INSECURE_REGISTRIES.';

/** `stderr` is skopeo's. Whatever is not recognised is `unavailable`: the registry did not serve the image. */
export function pullError(reference: string, stderr: string, cause?: unknown): TvmError {
  const words = registryWords(stderr);
  const code = codes.find(([pattern]) => pattern.test(withoutNames(words)))?.[1] ?? 'unavailable';
  const hint = /server gave HTTP response to HTTPS client/.test(words) ? plainHint : hints[code];
  return new TvmError(code, `pulling ${reference} failed: ${words}`, {
    cause,
    object: `image/${reference}`,
    reason: 'ImagePullFailed',
    ...(hint ? { hint } : {}),
  });
}

/** The message of the last log line, without time, level and quoting. */
export function registryWords(stderr: string): string {
  const lines = stderr.trim().split('\n');
  const last = lines.findLast((line) => /level=(fatal|error)/.test(line)) ?? lines.at(-1) ?? '';
  const quoted = /msg=("(?:[^"\\]|\\.)*")/.exec(last)?.[1];
  const message = (quoted ? unquote(quoted) : last).trim();
  return (
    message.replace(/^Error parsing image name "[^"]*": |^initializing source \S+: /i, '') ||
    'the registry gave no reason'
  );
}

/** Names and addresses are the user's or the registry's, and must not be taken for the reason. */
function withoutNames(words: string): string {
  return words.replace(/"[^"]*"/g, '').replace(/reading manifest \S+ in \S+:/, '');
}

function unquote(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    return quoted.slice(1, -1);
  }
}
