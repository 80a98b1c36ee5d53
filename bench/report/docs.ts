// The one place in docs/benchmarks.md that a run of the benchmark replaces. Pure.

const begin = '<!-- results: begin (npm run bench -- --write-docs) -->';
const end = '<!-- results: end -->';

/** The document with the results between its marks. Throws an Error when it has not exactly one such place. */
export function withResults(document: string, results: string): string {
  const [before, rest, ...more] = document.split(begin);
  const [, after, ...evenMore] = rest?.split(end) ?? [];
  if (before === undefined || after === undefined || more.length + evenMore.length > 0)
    throw new Error(`the document must have one place between "${begin}" and "${end}"`);
  return `${before}${begin}\n\n${results.trim()}\n\n${end}${after}`;
}
