// Every tool there is, in the order in which they are listed.
import type { Tool } from '../tool.ts';
import { runCommand } from './run-command.ts';
import { vmStatus } from './vm-status.ts';

export const allTools: readonly Tool[] = [runCommand, vmStatus];
