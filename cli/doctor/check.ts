// What one check of vvm doctor found.
export interface Check {
  name: string;
  state: 'ok' | 'warning' | 'missing';
  found: string;
  /** What to do, when something is to be done. */
  advice?: string;
}
