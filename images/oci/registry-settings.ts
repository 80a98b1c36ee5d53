// What the node's owner says of registries: which have mirrors, which may be used without TLS. Pure.
import { TvmError } from '@tvm/api/errors.ts';

export interface RegistrySettings {
  /** By registry, asked in this order before the registry itself: `host[:port][/path]`. */
  mirrors: Record<string, string[]>;
  /** `host:port`, or `host` for any port. */
  insecure: string[];
}

const placePattern = /^(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::\d+)?(?:\/[A-Za-z0-9._/-]+)?$/;

/** `docker.io=mirror.local:5000,docker.io=other/path,quay.io=…`. Throws `invalid_argument`. */
export function parseMirrors(text: string): Record<string, string[]> {
  const mirrors: Record<string, string[]> = {};
  for (const [registry, mirror] of itemsOf(text).map((item) => item.split('=', 2))) {
    if (!isPlace(registry) || !isPlace(mirror)) {
      throw wrong('TVM_REGISTRY_MIRRORS', text, 'docker.io=mirror.example.com:5000,quay.io=mirror.example.com/quay');
    }
    mirrors[registry] = [...(mirrors[registry] ?? []), mirror];
  }
  return mirrors;
}

/** `registry.local:5000,127.0.0.1`. Throws `invalid_argument`. */
export function parseInsecure(text: string): string[] {
  const places = itemsOf(text);
  if (places.every((place) => isPlace(place) && !place.includes('/'))) return places;
  throw wrong('TVM_INSECURE_REGISTRIES', text, 'registry.local:5000,127.0.0.1');
}

export function isInsecure({ insecure }: Pick<RegistrySettings, 'insecure'>, registry: string): boolean {
  return insecure.includes(registry) || insecure.includes(registry.replace(/:\d+$/, ''));
}

/** The registries.conf(5) that says the same; undefined when there are no mirrors: then the host's own counts. */
export function registriesConf(settings: RegistrySettings): string | undefined {
  const entries = Object.entries(settings.mirrors);
  if (entries.length === 0) return undefined;
  return entries.map(([registry, mirrors]) => registryEntry(settings, registry, mirrors)).join('');
}

function registryEntry(settings: RegistrySettings, registry: string, mirrors: string[]): string {
  const security = (place: string) => `insecure = ${isInsecure(settings, place.split('/')[0] ?? '')}\n`;
  const own = `[[registry]]\nprefix = "${registry}"\nlocation = "${registry}"\n${security(registry)}`;
  const others = mirrors.map((mirror) => `[[registry.mirror]]\nlocation = "${mirror}"\n${security(mirror)}`);
  return own + others.join('');
}

function itemsOf(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter(Boolean);
}

function isPlace(text: string | undefined): text is string {
  return text !== undefined && placePattern.test(text);
}

function wrong(variable: string, text: string, example: string): TvmError {
  const message = `${variable}=${JSON.stringify(text.slice(0, 200))} names no registries`;
  return new TvmError('invalid_argument', message, { hint: `Write ${variable}=${example}` });
}
