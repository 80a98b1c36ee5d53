// Structured logs: one JSON object a line on stderr. Secrets never reach it: fields that carry them are redacted here.
import { type Logger, pino } from 'pino';

export type { Logger };

export function makeLogger(component: string, level = 'info'): Logger {
  return pino(
    {
      name: component,
      level,
      base: { component },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ['token', '*.token', 'env', '*.env', 'authorization', '*.authorization'], censor: '[redacted]' },
    },
    pino.destination({ fd: 2, sync: true }),
  );
}
