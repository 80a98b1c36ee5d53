// Pictures for lists of tools, one for each scope: data URIs, so that no client fetches anything for them.
import type { Icon } from '@modelcontextprotocol/server';
import type { Scope } from '../contract.ts';

const strokes: Record<Scope, string> = {
  'vm:read': 'M2 8s2-4 6-4 6 4 6 4-2 4-6 4-6-4-6-4zM8 7v2',
  'vm:exec': 'M3 4l4 4-4 4M8 12h5',
  'vm:files': 'M4 2h5l3 3v9H4zM9 2v3h3',
  'vm:admin': 'M2 5h12v6H2zM5 14h6M8 11v3',
};

export function iconsOf(scope: Scope): Icon[] {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="none" stroke="#c2410c"><path d="${strokes[scope]}"/></svg>`;
  return [
    {
      src: `data:image/svg+xml;base64,${Buffer.from(svg).toString('base64')}`,
      mimeType: 'image/svg+xml',
      sizes: ['any'],
    },
  ];
}
