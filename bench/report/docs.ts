// The places in docs/benchmarks.md that a run of a benchmark replaces. Pure.

export type Place = 'results' | 'scale';

const commands: Record<Place, string> = { results: 'npm run bench', scale: 'npm run bench:scale' };

/** The document with the results between the marks of their place. Throws an Error when it has not exactly one such place. */
export function withResults(document: string, results: string, place: Place = 'results'): string {
  const [begin, end] = [`<!-- ${place}: begin (${commands[place]} -- --write-docs) -->`, `<!-- ${place}: end -->`];
  const [before, rest, ...more] = document.split(begin);
  const [, after, ...evenMore] = rest?.split(end) ?? [];
  if (before === undefined || after === undefined || more.length + evenMore.length > 0)
    throw new Error(`the document must have one place between "${begin}" and "${end}"`);
  return `${before}${begin}\n\n${results.trim()}\n\n${end}${after}`;
}
