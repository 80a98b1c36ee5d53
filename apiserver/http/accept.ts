// What a client wants back: the media type, and the transformed form of objects (Table, PartialObjectMetadata).
import { notAcceptable } from '../status/status-error.ts';

export interface Accepted {
  format: 'json' | 'yaml';
  /** The form of objects; '' as they are. */
  as: '' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
}

export interface MediaType {
  type: string;
  parameters: Record<string, string>;
  quality: number;
}

/** The media types of an Accept or Content-Type header, the most wanted first. */
export function parseMediaTypes(header: string | undefined): MediaType[] {
  const list = (header ?? '').split(',').map((part) => {
    const [type = '', ...rest] = part.split(';').map((piece) => piece.trim());
    const pairs = rest.map((pair) => pair.split('=').map((piece) => piece.trim()));
    const parameters = Object.fromEntries(pairs.map(([name = '', value = '']) => [name.toLowerCase(), value]));
    const quality = Number(parameters.q ?? 1);
    return { type: type.toLowerCase(), parameters, quality: Number.isNaN(quality) ? 1 : quality };
  });
  return list.filter(({ type }) => type !== '').sort((left, right) => right.quality - left.quality);
}

const forms = ['Table', 'PartialObjectMetadata', 'PartialObjectMetadataList'] as const;

/** Throws StatusError 406 when nothing that is asked for can be given (protobuf alone, say). */
export function accepted(header: string | undefined): Accepted {
  const wanted = parseMediaTypes(header || 'application/json');
  for (const { type, parameters } of wanted) {
    const format = formatOf(type);
    if (!format) continue;
    const form = parameters.as ?? '';
    if (form === '') return { format, as: '' };
    const known = forms.find((one) => one === form);
    if (known && parameters.g === 'meta.k8s.io' && parameters.v === 'v1') return { format, as: known };
  }
  throw notAcceptable('application/json, application/yaml');
}

function formatOf(type: string): Accepted['format'] | undefined {
  if (type === 'application/json' || type === '*/*' || type === 'application/*') return 'json';
  return type === 'application/yaml' ? 'yaml' : undefined;
}

/** Whether aggregated discovery is asked for, and in which of its versions. */
export function discoveryVersion(header: string | undefined): 'v2' | 'v2beta1' | undefined {
  for (const { type, parameters } of parseMediaTypes(header)) {
    if (type !== 'application/json') continue;
    if (parameters.g !== 'apidiscovery.k8s.io' || parameters.as !== 'APIGroupDiscoveryList') return undefined;
    if (parameters.v === 'v2' || parameters.v === 'v2beta1') return parameters.v;
  }
  return undefined;
}
