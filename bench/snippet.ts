// What every scenario executes, and the check that it really did.

export interface Snippet {
  code: string;
  output: string;
}

export const printOne: Snippet = { code: 'print(1)', output: '1\n' };

/** Code that prints something nobody else does, so that answers cannot be mixed up unnoticed. */
export function printNumber(number: number): Snippet {
  return { code: `print(${number})`, output: `${number}\n` };
}

export function expectOutput(scenario: string, snippet: Snippet, stdout: string): void {
  if (stdout !== snippet.output)
    throw new Error(`${scenario}: printed ${JSON.stringify(stdout)}, not ${JSON.stringify(snippet.output)}`);
}
