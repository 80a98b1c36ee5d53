// Every tool there is, in the order in which they are listed.
import type { Tool } from '../tool.ts';
import { runCodeTool } from './code/run-code.ts';
import { deleteFileTool, moveFileTool, statFileTool } from './files/change-files.ts';
import { editFileTool } from './files/edit-file.ts';
import { getTransferUrl } from './files/get-transfer-url.ts';
import { listDirectoryTool } from './files/list-directory.ts';
import { readFileTool } from './files/read-file.ts';
import { searchFilesTool } from './files/search-files.ts';
import { writeFileTool } from './files/write-file.ts';
import { installPackages } from './install-packages.ts';
import { exposePort } from './machine/expose-port.ts';
import { snapshotRestore } from './machine/snapshot-restore.ts';
import { snapshotCreate, snapshotList } from './machine/snapshots.ts';
import { vmExtend } from './machine/vm-extend.ts';
import { vmPause, vmReset, vmResume } from './machine/vm-life.ts';
import { vmMetrics } from './machine/vm-metrics.ts';
import { vmStatus } from './machine/vm-status.ts';
import { mcpServerAdd, mcpServerList, mcpServerRemove } from './mcp-servers.ts';
import { readProcessTool, signalProcessTool, writeProcessStdinTool } from './processes/follow-process.ts';
import { listProcessesTool } from './processes/list-processes.ts';
import { startProcessTool } from './processes/start-process.ts';
import { runCommand } from './run-command.ts';

export const allTools: readonly Tool[] = [
  runCodeTool,
  runCommand,
  startProcessTool,
  readProcessTool,
  writeProcessStdinTool,
  signalProcessTool,
  listProcessesTool,
  readFileTool,
  writeFileTool,
  editFileTool,
  listDirectoryTool,
  searchFilesTool,
  moveFileTool,
  deleteFileTool,
  statFileTool,
  getTransferUrl,
  installPackages,
  vmStatus,
  vmMetrics,
  vmExtend,
  vmPause,
  vmResume,
  vmReset,
  exposePort,
  snapshotCreate,
  snapshotList,
  snapshotRestore,
  mcpServerAdd,
  mcpServerList,
  mcpServerRemove,
];
