// POST /v1/execute and the first message of the execute stream: run a piece of code once, in a machine of its own.
import { z } from 'zod';
import { imagePullSecrets, machineLimits } from '../kinds/microvm.ts';
import { networkSpec } from '../kinds/network.ts';

export const languages = ['python', 'node', 'bash'] as const;
export type Language = (typeof languages)[number];

export const executeRequest = z
  .strictObject({
    code: z.string().max(1_048_576).meta({ description: 'Source text, 1 MiB at most.' }),
    language: z.enum(languages).default('python'),
    image: z
      .string()
      .min(1)
      .max(512)
      .optional()
      .meta({ description: 'Default: the image of the language (tvm/python, tvm/node).' }),
    cpu: z.int().min(1).max(32).default(1),
    memory: z.int().min(64).max(1_048_576).default(256).meta({ description: 'MB' }),
    timeoutSeconds: z
      .number()
      .positive()
      .max(86_400)
      .default(60)
      .meta({ description: 'The run is ended, exit code 124, after this.' }),
    network: networkSpec.optional().meta({ description: 'What the machine may reach. Default: it has no network.' }),
    limits: machineLimits
      .optional()
      .meta({ description: 'What the machine may take of its host. Default: all that it can.' }),
    imagePullSecrets: imagePullSecrets.optional().meta({
      description:
        'Secrets of the namespace with the credentials that the registry of the image asks for. Default: none.',
    }),
    env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string().max(32_768)).default({}),
    args: z.array(z.string().max(32_768)).max(256).default([]).meta({ description: 'Arguments of the program.' }),
    stdin: z
      .string()
      .max(1_048_576)
      .optional()
      .meta({ description: 'Text given to the program (not in streams, which send it).' }),
  })
  .refine(
    ({ limits, network }) =>
      limits?.networkBytesPerSecond === undefined || (network !== undefined && network.egress !== 'none'),
    { message: 'networkBytesPerSecond needs a network: set network.egress', path: ['limits'] },
  );
export type ExecuteRequest = z.input<typeof executeRequest>;
export type CheckedExecuteRequest = z.output<typeof executeRequest>;

/** How its machine came to be: it waited, it was restored from a snapshot, it was booted. */
export const startKinds = ['warm', 'restored', 'booted'] as const;
export type StartKind = (typeof startKinds)[number];

/** What a finished run looks like. `stdout` and `stderr` hold 1 MiB each at most; `truncated` says when there was more. */
export const executeResult = z.object({
  exitCode: z.int().meta({ description: '124 when the time was up, 128 + n when signal n ended it.' }),
  stdout: z.string(),
  stderr: z.string(),
  timedOut: z.boolean(),
  truncated: z.boolean(),
  durationMs: z.int().meta({ description: 'From the claim of a machine to the exit of the program.' }),
  machine: z.object({
    id: z.string(),
    image: z.string(),
    bootId: z.string(),
    warm: z.boolean().meta({ description: 'A waiting machine was used.' }),
    start: z.enum(startKinds).optional().meta({ description: 'How the machine came to be.' }),
  }),
});
export type ExecuteResult = z.infer<typeof executeResult>;
