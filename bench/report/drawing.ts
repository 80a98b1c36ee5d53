// What the pictures share: page, ink and letters, on light and on dark pages. Pure.

const light = { page: '#ffffff', ink: '#1f2328', faint: '#59636e', grid: '#d8dee4' };
const dark = { page: '#0d1117', ink: '#e6edf3', faint: '#9198a1', grid: '#30363d' };

function rules({ page, ink, faint, grid }: typeof light): string {
  return [
    `text { fill: ${ink}; } .faint { fill: ${faint}; } .page { fill: ${page}; }`,
    `.grid { stroke: ${grid}; } .mark { stroke: ${ink}; }`,
  ].join('\n');
}

/** Plain rules: not every viewer knows variables, or what a dark page is. */
export const pageStyle = `
text { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
.title { font-size: 18px; font-weight: 600; }
.faint { font-size: 12px; }
${rules(light)}
@media (prefers-color-scheme: dark) {
${rules(dark)}
}
`.trim();

export function text(x: number, y: number, content: string, name = '', anchor = 'start'): string {
  const attributes = `${name === '' ? '' : ` class="${name}"`}${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}`;
  return `<text x="${round(x)}" y="${round(y)}"${attributes}>${escaped(content)}</text>`;
}

/** Three digits. */
export function label(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

export const round = (value: number) => Math.round(value * 10) / 10;

export function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
