// The page at /docs: every endpoint with its schemas, in plain HTML. Invariant: it loads nothing from anywhere.
interface Operation {
  summary?: string;
  description?: string;
  parameters?: unknown[];
  requestBody?: unknown;
  responses?: unknown;
}

interface Document {
  info: { title: string; version: string; description?: string };
  paths?: Record<string, unknown>;
}

const style = `body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h2{font:600 1rem ui-monospace,monospace;margin:2rem 0 0}.m{display:inline-block;min-width:4.5rem;text-transform:uppercase}
pre{background:#f4f4f4;padding:.75rem;overflow:auto;font-size:.8rem}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}pre{background:#262626}a{color:#8bf}}`;

export function docsPage(document: Document): string {
  const { title, version, description = '' } = document.info;
  const operations = Object.entries(document.paths ?? {}).flatMap(([path, methods]) =>
    Object.entries(methods as Record<string, Operation>).map(([method, operation]) => section(method, path, operation)),
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title><style>${style}</style><h1>${escapeHtml(title)} <small>${escapeHtml(version)}</small></h1>
<p>${escapeHtml(description)} The same for programs: <a href="/openapi.json">/openapi.json</a>.</p>
${operations.join('\n')}</html>`;
}

function section(
  method: string,
  path: string,
  { summary = '', description = '', parameters, requestBody, responses }: Operation,
): string {
  const details = JSON.stringify({ parameters, requestBody, responses }, undefined, 2);
  return `<section><h2><span class="m">${escapeHtml(method)}</span>${escapeHtml(path)}</h2><p>${escapeHtml(summary)} ${escapeHtml(description)}</p>
<details><summary>Schemas</summary><pre>${escapeHtml(details)}</pre></details></section>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
